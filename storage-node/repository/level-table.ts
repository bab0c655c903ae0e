import { readFile } from 'node:fs/promises';
import { crc32c, unmask } from './crc32c.ts';

/** Two handles of blocks, padded, and a magic number. */
const FOOTER_BYTES = 48;
const MAGIC_BYTES = 8;
const SEQUENCE_BYTES = 8;
/** The other type is that of a deletion. */
const VALUE_TYPE = 1;
const MAGIC = 0xdb4775248b80fb57n;

interface BlockHandle {
  readonly offset: number;
  readonly length: number;
}

export interface TableFault {
  readonly why: string;
  /** It has no footer, as when the process died that wrote it. */
  readonly unfinished: boolean;
}

/**
 * Reads a table of LevelDB and compares every block with its checksum. Returns what is wrong, or undefined.
 *
 * LevelDB can do this itself, but its binding does not let it: a flipped bit is served as it is, keeps keys from being
 * found, or ends the process by an assertion, also while it repairs. Format: "leveldb File format" in LevelDB's
 * documentation (doc/table_format.md).
 */
export async function findTableFault(path: string): Promise<TableFault | undefined> {
  const table = await readFile(path);
  if (table.length < FOOTER_BYTES || table.readBigUInt64LE(table.length - MAGIC_BYTES) !== MAGIC) {
    return { why: 'it has no footer', unfinished: true };
  }
  try {
    checkTable(table);
    return undefined;
  } catch (error) {
    // Numbers that make no sense lead beyond the end of what they are read from.
    if (!(error instanceof BlockError || error instanceof RangeError)) throw error;
    return { why: error.message, unfinished: false };
  }
}

/** What a table says of a key; the value is null where the key was deleted. */
export interface TableEntry {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/**
 * Whatever can still be made out in a damaged table. Any of it may be wrong, and much may be missing; of a key that occurs
 * more than once the latest entry comes first.
 */
export async function salvageTable(path: string): Promise<TableEntry[]> {
  const table = await readFile(path);
  const entries: TableEntry[] = [];
  const ignoringDamage = (action: () => void) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  };
  ignoringDamage(() => {
    const footer = new Cursor(table.subarray(table.length - FOOTER_BYTES));
    footer.handle();
    const { offset, length } = footer.handle();
    for (const { offset: at, length: size } of handlesIn(table.subarray(offset, offset + length))) {
      ignoringDamage(() => {
        for (const entry of entriesIn(table.subarray(at, at + size))) entries.push(entry);
      });
    }
  });
  return entries;
}

/** The entries of a block, as far as they make sense. Keys have a number and a type behind them, eight bytes. */
function* entriesIn(block: Buffer): Generator<TableEntry> {
  const entries = new Cursor(withoutRestarts(block));
  let key = Buffer.alloc(0);
  while (!entries.atEnd) {
    const shared = entries.number();
    const keyBytes = entries.number();
    const valueBytes = entries.number();
    key = Buffer.concat([key.subarray(0, shared), entries.skip(keyBytes)]);
    const value = entries.skip(valueBytes);
    if (key.length < SEQUENCE_BYTES) continue;
    const end = key.length - SEQUENCE_BYTES;
    yield { key: key.subarray(0, end), value: key[end] === VALUE_TYPE ? value : null };
  }
}

class BlockError extends Error {}

function checkTable(table: Buffer): void {
  const footer = new Cursor(table.subarray(table.length - FOOTER_BYTES));
  const metaindex = footer.handle();
  const index = footer.handle();
  for (const list of [index, metaindex]) {
    for (const handle of handlesIn(blockAt(table, list))) blockAt(table, handle);
  }
}

/** The block's bytes. After them a byte says how they are compressed, and four are the checksum of it all. */
function blockAt(table: Buffer, { offset, length }: BlockHandle): Buffer {
  const checked = offset + length + 1;
  if (checked + 4 > table.length - FOOTER_BYTES) throw new BlockError('a block lies beyond its end');
  if (crc32c(table.subarray(offset, checked)) !== unmask(table.readUInt32LE(checked))) {
    throw new BlockError(`the block at ${offset} does not match its checksum`);
  }
  return table.subarray(offset, offset + length);
}

/** The handles that a sound block of handles consists of; its keys do not matter here. */
function* handlesIn(block: Buffer): Generator<BlockHandle> {
  const entries = new Cursor(withoutRestarts(block));
  while (!entries.atEnd) {
    entries.number();
    const keyBytes = entries.number();
    const valueBytes = entries.number();
    entries.skip(keyBytes);
    const value = entries.skip(valueBytes);
    yield new Cursor(value).handle();
  }
}

/** Behind its entries a block lists where some of them begin. */
function withoutRestarts(block: Buffer): Buffer {
  const restarts = block.readUInt32LE(block.length - 4);
  return block.subarray(0, Math.max(0, block.length - 4 * (restarts + 1)));
}

/** Reads numbers as LevelDB writes them: seven bits a byte, the lowest first. */
class Cursor {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes.readUInt8(this.#position++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  handle(): BlockHandle {
    return { offset: this.number(), length: this.number() };
  }

  /** Throws a RangeError when there are not so many. */
  skip(bytes: number): Buffer {
    if (this.#position + bytes > this.#bytes.length) throw new RangeError('an entry is cut short');
    const skipped = this.#bytes.subarray(this.#position, this.#position + bytes);
    this.#position += bytes;
    return skipped;
  }
}
