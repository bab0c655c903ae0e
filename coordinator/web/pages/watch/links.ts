/** The address of a video from that second on. */
export function watchLink(address: string, startS: number): string {
  return startS > 0 ? `${address}?t=${Math.floor(startS)}` : address;
}

/** HTML that shows the video on another page. */
export function embedCode(address: string, title: string): string {
  const attributes = [
    `src="${escapeHtml(address)}"`,
    `title="${escapeHtml(title)}"`,
    'width="640" height="360" frameborder="0"',
    'allow="fullscreen; picture-in-picture" loading="lazy"',
  ];
  return `<iframe ${attributes.join(' ')}></iframe>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('"', '&quot;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}
