import { type CustomTypesConfig, types } from 'pg';

/** Object id of PostgreSQL's bigint type. */
const BIGINT_OID = 20;

/** bigint columns hold sizes, positions and counts: all of them fit a number, and one that does not is a defect. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${text} does not fit a number`);
  return value;
}

/** How `pg` reads the values of both engines. */
export const typesConfig: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === BIGINT_OID && format !== 'binary'
      ? parseBigint
      : types.getTypeParser(oid, format as 'text')) as CustomTypesConfig['getTypeParser'],
};
