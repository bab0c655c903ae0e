/** Three arcs of a ring, and a film in the middle. */
export function Logo({ size = 30 }: { readonly size?: number }) {
  return (
    <svg class="logo-mark" viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <path class="logo-arc-1" d="M16 3.500a12.500 12.500 0 0 1 11.800 8.400" />
      <path class="logo-arc-2" d="M28.400 17.800A12.500 12.500 0 0 1 12.100 27.900" />
      <path class="logo-arc-3" d="M7.200 24.900A12.500 12.500 0 0 1 10.300 4.900" />
      <path class="logo-play" d="M12.800 10.800v10.400l8.700-5.200z" />
    </svg>
  );
}
