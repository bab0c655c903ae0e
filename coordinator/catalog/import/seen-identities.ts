/** Which identities an import has met: 16 bytes for each, and half as much again of room. */
export class SeenIdentities {
  /** Four numbers for each place; all zero: free. */
  #slots = new Uint32Array(4 * 4096);
  #size = 0;

  /** Notes an identity, 32 hexadecimal digits; false when it was noted before. */
  add(identity: string): boolean {
    if ((this.#size + 1) * 3 > (this.#slots.length / 4) * 2) this.#grow();
    const parts = [0, 8, 16, 24].map((from) => Number.parseInt(identity.slice(from, from + 8), 16));
    // All zero marks a free place; nobody will meet that hash.
    const added = insert(this.#slots, parts[0]!, parts[1]!, parts[2]!, parts[3]! || 1);
    if (added) this.#size += 1;
    return added;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    for (let at = 0; at < before.length; at += 4) {
      if (before[at + 3] === 0) continue;
      insert(this.#slots, before[at]!, before[at + 1]!, before[at + 2]!, before[at + 3]!);
    }
  }
}

function insert(slots: Uint32Array, a: number, b: number, c: number, d: number): boolean {
  const places = slots.length / 4;
  for (let place = (a ^ d) >>> 0; ; place++) {
    const at = (place % places) * 4;
    if (slots[at + 3] === 0) {
      slots[at] = a;
      slots[at + 1] = b;
      slots[at + 2] = c;
      slots[at + 3] = d;
      return true;
    }
    if (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c && slots[at + 3] === d) return false;
  }
}
