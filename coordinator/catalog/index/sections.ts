import { assert } from '../../../lib/errors/app-error.ts';

/** Arrays of numbers under names, as one run of bytes. Numbers are little-endian, as on every machine this runs on. */
export type Sections = Readonly<Record<string, Section>>;
export type Section = Uint8Array | Uint16Array | Int16Array | Uint32Array;

const TYPES = { u8: Uint8Array, u16: Uint16Array, i16: Int16Array, u32: Uint32Array } as const;
type TypeName = keyof typeof TYPES;
const ALIGNMENT = 8;
const align = (offset: number) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

interface Entry {
  readonly name: string;
  readonly type: TypeName;
  readonly offset: number;
  readonly length: number;
}

/** Header length (4 bytes), header (JSON), then each section at a multiple of 8. */
export function packSections(sections: Sections): Uint8Array {
  const entries: Entry[] = [];
  let offset = 0;
  for (const [name, section] of Object.entries(sections)) {
    entries.push({ name, type: typeOf(section), offset, length: section.length });
    offset = align(offset + section.byteLength);
  }
  const header = Buffer.from(JSON.stringify(entries));
  const start = align(4 + header.length);
  const bytes = new Uint8Array(start + offset);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 4);
  for (const [index, section] of Object.values(sections).entries()) {
    const view = new Uint8Array(section.buffer, section.byteOffset, section.byteLength);
    bytes.set(view, start + entries[index]!.offset);
  }
  return bytes;
}

/** The sections as views of the bytes, which must begin at a multiple of 8. */
export function unpackSections(bytes: Uint8Array): Sections {
  assert(bytes.byteOffset % ALIGNMENT === 0, 'sections are aligned');
  const headerLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const entries = JSON.parse(Buffer.from(bytes.subarray(4, 4 + headerLength)).toString()) as Entry[];
  const start = align(4 + headerLength);
  return Object.fromEntries(
    entries.map(({ name, type, offset, length }) => [
      name,
      new TYPES[type](bytes.buffer as ArrayBuffer, bytes.byteOffset + start + offset, length),
    ]),
  );
}

function typeOf(section: Section): TypeName {
  const found = (Object.keys(TYPES) as TypeName[]).find((name) => section instanceof TYPES[name]);
  assert(found !== undefined, 'sections are arrays of these types');
  return found;
}
