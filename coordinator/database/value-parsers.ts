/** Object id of PostgreSQL's bigint type. */
export const BIGINT_OID = 20;

/** bigint columns hold sizes, positions and counts: all of them fit a number, and one that does not is a defect. */
export function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${text} does not fit a number`);
  return value;
}
