/** Numbers as a box has them: each with its size in bytes. */
export type Field = readonly [value: number, bytes: 1 | 2 | 4 | 8] | Uint8Array;

/** A box with its header. */
export function box(type: string, ...fields: readonly Field[]): Uint8Array {
  const length = fields.reduce(
    (sum, field) => sum + (field instanceof Uint8Array ? field.length : field[1]),
    8,
  );
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length);
  bytes.set(characters(type), 4);
  let at = 8;
  for (const field of fields) {
    if (field instanceof Uint8Array) {
      bytes.set(field, at);
      at += field.length;
    } else {
      writeNumber(view, at, field);
      at += field[1];
    }
  }
  return bytes;
}

/** A box that begins with a version and flags. */
export function fullBox(
  type: string,
  version: number,
  flags: number,
  ...fields: readonly Field[]
): Uint8Array {
  return box(type, [version * 0x100_0000 + flags, 4], ...fields);
}

export function characters(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function zeros(count: number): Uint8Array {
  return new Uint8Array(count);
}

function writeNumber(view: DataView, at: number, [value, bytes]: readonly [number, 1 | 2 | 4 | 8]): void {
  if (bytes === 1) view.setUint8(at, value);
  else if (bytes === 2) view.setUint16(at, value);
  else if (bytes === 4) view.setUint32(at, value);
  else view.setBigUint64(at, BigInt(value));
}
