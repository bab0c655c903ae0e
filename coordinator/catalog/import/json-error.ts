const TOKEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids these in strings
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

/** What may come next: a value, a value or the end of an array, a name, a name or the end of an object, and so on. */
type Expected = 'value' | 'valueOrEnd' | 'name' | 'nameOrEnd' | 'colon' | 'commaOrEnd' | 'nothing';

/**
 * Where a text that is not JSON stops being it, in characters. `JSON.parse` says that only sometimes; this is for the
 * report alone, and slow.
 */
export function findJsonError(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  TOKEN.lastIndex = 0;
  for (let at = 0; ; at = TOKEN.lastIndex) {
    const blanks = /[ \t\r\n]*/y;
    blanks.lastIndex = at;
    blanks.exec(text);
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) return blanks.lastIndex;
    const [, sign, string] = match;
    const next = step(expected, sign, string !== undefined, open);
    if (next === undefined) return blanks.lastIndex;
    expected = next;
  }
}

function step(
  expected: Expected,
  sign: string | undefined,
  isString: boolean,
  open: ('{' | '[')[],
): Expected | undefined {
  const afterValue = (): Expected => (open.length === 0 ? 'nothing' : 'commaOrEnd');
  const isValue = expected === 'value' || expected === 'valueOrEnd';
  if (sign === undefined) {
    if (isValue) return afterValue();
    return isString && (expected === 'name' || expected === 'nameOrEnd') ? 'colon' : undefined;
  }
  if (sign === '{' || sign === '[') {
    if (!isValue) return undefined;
    open.push(sign);
    return sign === '{' ? 'nameOrEnd' : 'valueOrEnd';
  }
  if (sign === ':') return expected === 'colon' ? 'value' : undefined;
  const inside = open.at(-1);
  if (sign === ',') {
    if (expected !== 'commaOrEnd') return undefined;
    return inside === '{' ? 'name' : 'value';
  }
  const mayEnd = expected === 'commaOrEnd' || expected === (sign === '}' ? 'nameOrEnd' : 'valueOrEnd');
  if (!mayEnd || inside !== (sign === '}' ? '{' : '[')) return undefined;
  open.pop();
  return afterValue();
}
