import path from 'node:path';
import { fileURLToPath } from 'node:url';
import packed, { inflate } from '@sparticuz/chromium';
import { type Browser, chromium, type Page } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  // Whatever is not on this machine does not exist.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

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

  /** The first time on a machine it unpacks the browser below the directory for temporary files, which takes seconds. */
  static async open(): Promise<TestBrowser> {
    const executablePath = await packed.executablePath();
    const packages = fileURLToPath(new URL('../bin/', import.meta.resolve('@sparticuz/chromium')));
    // Debian's slim images, for one, lack some of them.
    const libraries = path.join(await inflate(path.join(packages, 'al2023.tar.br')), 'lib');
    const env = { ...process.env, LD_LIBRARY_PATH: libraries } as Record<string, string>;
    return new TestBrowser(await chromium.launch({ executablePath, args: ARGUMENTS, env }));
  }

  async page(origin: string, viewport: { width: number; height: number }): Promise<WatchedPage> {
    const page = await this.#browser.newPage({ viewport });
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      const url = new URL(request.url());
      const isOwn = url.origin === origin || url.protocol === 'data:' || url.protocol === 'blob:';
      if (!isOwn) complaints.push(`asked for ${url}`);
    });
    return { page, complaints };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
