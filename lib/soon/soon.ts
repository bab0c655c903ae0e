/**
 * A value that is at hand, or a promise of it. What answers out of memory says so by not being a promise: on a path that takes
 * some tens of microseconds in all, a turn of the queue for every step shows.
 */
export type Soon<Value> = Value | Promise<Value>;

/** Goes on with the value, at once if it is at hand. Throws what `next` throws then, and rejects with it otherwise. */
export function whenThere<Value, Result>(
  value: Soon<Value>,
  next: (value: Value) => Soon<Result>,
): Soon<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
