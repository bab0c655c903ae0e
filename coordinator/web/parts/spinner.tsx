/** A ring that turns. */
export function Spinner({ size = 28 }: { readonly size?: number }) {
  return (
    <svg class="spinner" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <circle cx="12" cy="12" r="9" />
    </svg>
  );
}
