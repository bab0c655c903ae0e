/**
 * The keys of a map in the order in which they were set, for a cache that lets go of the oldest ones. A new iterator of a
 * map goes over all places of keys that were deleted before the first one which is there, up to as many as the map has
 * entries; this one remembers how far it has come. What it returns has to be deleted or set anew before the next call.
 */
export class OldestKeys<Key> {
  readonly #map: ReadonlyMap<Key, unknown>;
  #keys: Iterator<Key>;

  constructor(map: ReadonlyMap<Key, unknown>) {
    this.#map = map;
    this.#keys = map.keys();
  }

  /** Undefined while the map is empty. */
  next(): Key | undefined {
    const { value, done } = this.#keys.next();
    if (!done) return value;
    // It came to the end once, and stays there whatever is set later.
    this.#keys = this.#map.keys();
    return this.#keys.next().value;
  }
}
