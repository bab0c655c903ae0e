const LENGTH_MAX = 100;

/** A name that the API takes: letters, digits, dots, dashes and underscores. */
export function attachmentName(fileName: string): string {
  const plain = fileName
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/\.{2,}/g, '.')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(-LENGTH_MAX);
  return /^[A-Za-z0-9]/.test(plain)
    ? plain
    : `file-${plain.replace(/^[^A-Za-z0-9]+/, '')}`.slice(0, LENGTH_MAX);
}

/** The language that names of caption files end in: `film.de.vtt`; empty when there is none. */
export function languageIn(fileName: string): string {
  return /\.([a-z]{2,3}(?:-[A-Za-z]{2,4})?)\.(?:vtt|srt)$/i.exec(fileName)?.[1] ?? '';
}
