/** Run in a page: from then on `window.longestFrameMs` is the longest time between two of its frames. */
export const WATCH_FRAMES = `(() => {
  window.longestFrameMs = 0;
  let before = performance.now();
  const frame = (now) => {
    window.longestFrameMs = Math.max(window.longestFrameMs, now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})()`;
