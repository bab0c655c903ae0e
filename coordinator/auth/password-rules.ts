import { invalidRequest } from '../parse-fields.ts';

/** Fewer different characters than this are a pattern, not a password. */
const DIFFERENT_CHARACTERS_MIN = 5;

/**
 * What the lists of leaked passwords have most of, as far as it is long enough for us: without digits and signs at the
 * ends, which people add when they are asked for some.
 */
const COMMON = new Set(
  (
    'password passwort passw0rd p@ssw0rd p@ssword pa55word motdepasse contraseña administrator adminadmin superuser ' +
    'letmein letmeinnow welcome welcomehome changeme changemenow iloveyou ilovejesus sunshine princess football ' +
    'baseball basketball superman spiderman starwars trustno dragon monkey master shadow michael jennifer ' +
    'qwerty qwertyuiop qwertyui qwertzuiop azertyuiop asdfghjkl zxcvbnm qwerty123456 qazwsxedc qazwsx abcdefghij ' +
    'abcdefghijk abcdefgh abcd1234 abc123abc orbitvids orbitvid secretsecret mysecret test testtest testing default ' +
    'correcthorsebatterystaple'
  ).split(' '),
);
const SEQUENCE = '01234567890123456789abcdefghijklmnopqrstuvwxyzqwertyuiopasdfghjklzxcvbnm';

/**
 * Refuses passwords that are guessed first (`invalid_request` that names the field). Length is checked by the schema;
 * rules about kinds of characters are left out on purpose (NIST SP 800-63B).
 */
export function assertStrong(password: string, email: string, field = 'password'): void {
  const problem = weaknessOf(password.toLowerCase(), email.toLowerCase());
  if (problem !== undefined) throw invalidRequest([{ field, message: problem }]);
}

function weaknessOf(password: string, email: string): string | undefined {
  if (new Set(password).size < DIFFERENT_CHARACTERS_MIN) return 'has too few different characters';
  const stem = password.replace(/[\d\W_]+$/, '').replace(/^[\d\W_]+/, '');
  if (COMMON.has(password) || COMMON.has(stem)) return 'is one of the most common passwords';
  const half = password.slice(0, Math.ceil(password.length / 2));
  if (
    half.length > 3 &&
    half + half.slice(0, password.length - half.length) === password &&
    COMMON.has(half)
  ) {
    return 'is one of the most common passwords';
  }
  if (SEQUENCE.includes(password) || SEQUENCE.includes([...password].reverse().join(''))) {
    return 'is a sequence of neighbours';
  }
  const [name = '', domain = ''] = email.split('@');
  const isOfAddress = [email, name, domain].some((part) => part.length > 3 && isMostly(password, part));
  return isOfAddress ? 'is made of the e-mail address' : undefined;
}

/** Whether not much is left of the password without the part. */
function isMostly(password: string, part: string): boolean {
  return password.includes(part) && password.replaceAll(part, '').length < 6;
}
