import { defineConfig } from 'vite';

/** `npm run build:web` (scripts/build-web.ts) builds with it; `npx vite coordinator/web` serves it while it is changed. */
export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    // The policy of the page allows nothing that is inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  // A coordinator of `./run_app.sh`.
  server: { proxy: { '/api': 'http://127.0.0.1:5000', '/metrics': 'http://127.0.0.1:5000' } },
});
