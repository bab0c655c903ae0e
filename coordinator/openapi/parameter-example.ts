/** Of a parameter. Where requests can be tried out, what is optional is left away until somebody wants it (`x-disabled`). */
export function exampleOf(
  value: unknown,
  isRequired: boolean,
): Readonly<Record<string, unknown>> | undefined {
  return value === undefined ? undefined : { default: { value, ...(!isRequired && { 'x-disabled': true }) } };
}
