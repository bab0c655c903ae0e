import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import packed, { inflate } from '@sparticuz/chromium';
import { type Browser, chromium, type Page } from 'playwright-core';
import { z } from 'zod';
import { madeOnce } from './made-once.ts';

const PACKAGE = new URL('../', import.meta.resolve('@sparticuz/chromium'));

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  // Whatever is not on this machine does not exist.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** What the browser in the npm package was built for. */
export const HAS_BROWSER = process.platform === 'linux' && process.arch === 'x64';

/** A page that is watched: what it asks for, and what it complains about. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors and warnings of the console, errors that nobody caught, and requests to anywhere else. */
  readonly complaints: readonly string[];
}

/** A browser that comes with the npm packages, with the libraries it needs, and reaches this machine alone. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async open(): Promise<TestBrowser> {
    const manifest = JSON.parse(await readFile(new URL('package.json', PACKAGE), 'utf8'));
    const { version } = z.object({ version: z.string() }).parse(manifest);
    const directory = await madeOnce(`chromium-${version}`, unpack);
    return new TestBrowser(
      await chromium.launch({
        executablePath: path.join(directory, 'chromium'),
        args: ARGUMENTS,
        // Debian's slim images, for one, lack some of the libraries.
        env: { ...process.env, LD_LIBRARY_PATH: path.join(directory, 'al2023', 'lib') },
      }),
    );
  }

  /** `others`: origins that may be asked as well. */
  async page(
    origin: string,
    viewport: { width: number; height: number },
    others: () => readonly string[] = () => [],
  ): Promise<WatchedPage> {
    const context = await this.#browser.newContext({ viewport });
    return this.#watch(await context.newPage(), origin, others);
  }

  /** Another tab beside a page: with its login, its storage and its size. */
  async tab(beside: Page, origin: string, others: () => readonly string[] = () => []): Promise<WatchedPage> {
    return this.#watch(await beside.context().newPage(), origin, others);
  }

  #watch(page: Page, origin: string, others: () => readonly string[]): WatchedPage {
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      const url = new URL(request.url());
      const isOwn = url.origin === origin || url.protocol === 'data:' || url.protocol === 'blob:';
      if (others().includes(url.origin)) return;
      if (!isOwn) complaints.push(`asked for ${url}`);
    });
    return { page, complaints };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** The package unpacks into the directory for temporary files, whatever that is when it is called. */
async function unpack(directory: string): Promise<void> {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = directory;
  try {
    await packed.executablePath();
    await inflate(fileURLToPath(new URL('bin/al2023.tar.br', PACKAGE)));
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}
