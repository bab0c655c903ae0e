import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** The script is the package's bundle for browsers, which needs nothing else. */
const PACKAGE_URL = import.meta.resolve('@scalar/api-reference');
const BUNDLE = fileURLToPath(new URL('browser/standalone.js', PACKAGE_URL));
const MANIFEST = fileURLToPath(new URL('../package.json', PACKAGE_URL));

/** Of the script: as long as it stays the same, browsers need not ask for it again. */
export const SCRIPT_VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(MANIFEST, 'utf8'))).version;

export function readScript(): Promise<Uint8Array> {
  return readFile(BUNDLE);
}

/** Nothing is fetched from, sent to or offered by anybody else. */
const CONFIGURATION = {
  url: 'openapi.json',
  theme: 'default',
  withDefaultFonts: false,
  telemetry: false,
  showDeveloperTools: 'never',
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  persistAuth: false,
  defaultOpenAllTags: false,
  hideModels: false,
  metaData: { title: 'OrbitVids API' },
};

const START = `Scalar.createApiReference('#reference', ${JSON.stringify(CONFIGURATION)});`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OrbitVids API</title>
<link rel="icon" href="data:,">
</head>
<body>
<div id="reference"></div>
<noscript>This page needs JavaScript. What it shows is in <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/reference.js?v=${SCRIPT_VERSION}"></script>
<script>${START}</script>
</body>
</html>
`;

/** The page of the API: it reads `openapi.json`, and can send requests to this very server. */
export const PAGE_BYTES = Buffer.from(PAGE);

/** Of this page alone: its own scripts, requests to this server, and the styles that the script makes. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `script-src 'self' 'sha256-${createHash('sha256').update(START).digest('base64')}'`,
  "style-src 'unsafe-inline'",
  "img-src 'self' data: blob:",
  'font-src data:',
  "media-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
