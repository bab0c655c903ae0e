import { NumberLists, Numbers } from './numbers.ts';
import { invertOrder, sortTexts } from './sort-texts.ts';
import type { TermReader } from './term-reader.ts';
import type { Field } from './terms-part.ts';
import { TextTable } from './text-table.ts';
import { type PackedTexts, Texts } from './texts.ts';

/** Names that were seen, by how they are compared; each keeps the form that it had first. */
export class Names {
  /** The terms of each. */
  readonly termsOf = new NumberLists();
  readonly #field: Field;
  readonly #reader: TermReader;
  readonly #terms: TextTable;
  /** As they were written: most names come again and again. */
  readonly #written = new TextTable();
  readonly #numberOf = new Numbers();
  /** As they are compared. */
  readonly #keys = new TextTable();
  readonly #shown = new Texts();

  /** Their words become terms of this field. */
  constructor(field: Field, reader: TermReader, terms: TextTable) {
    this.#field = field;
    this.#reader = reader;
    this.#terms = terms;
  }

  get count(): number {
    return this.#shown.count;
  }

  know(name: string): number {
    const written = this.#written.addString(name);
    if (written === this.#numberOf.length) this.#numberOf.push(this.#add(name));
    return this.#numberOf.values[written]!;
  }

  /** In the order of how they are compared. */
  pack(): { readonly rankOf: Uint32Array; readonly text: PackedTexts } {
    const sorted = sortTexts(this.#keys.texts);
    return { rankOf: invertOrder(sorted), text: this.#shown.pack(sorted) };
  }

  #add(name: string): number {
    const reader = this.#reader;
    reader.read(name, this.#field);
    const number = this.#keys.add(reader.normal, 0, reader.normalLength);
    if (number < this.count) return number;
    this.#shown.push(name.replaceAll('\n', ' '));
    for (let index = 0; index < reader.count; index++) {
      this.termsOf.push(this.#terms.add(reader.units, reader.starts[index]!, reader.ends[index]!));
    }
    this.termsOf.endList();
    return number;
  }
}
