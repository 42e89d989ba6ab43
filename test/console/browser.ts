/**
 * A running server with Chromium. An error in the browser's console fails the test. Each test file uses one server; all files that
 * `test/run.ts` runs use one browser.
 */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { until } from '../end-to-end/poll.ts';
import { Server, type ServerOptions } from '../end-to-end/server.ts';
import { chromiumPath, openChromium } from './chromium.ts';
import { buildConsole } from './console-build.ts';

/** Screenshots for review, with TEST_SCREENSHOTS=1: each page in both themes and on a narrow screen. CI stores them; git ignores them. */
export const screenshots: string = join(import.meta.dirname, 'screenshots');

/** For `test('…', { skip: noBrowser }, …)`: false if Chromium is installed, otherwise the reason to skip. */
export const noBrowser: string | false =
  chromiumPath === undefined ? 'Chromium is not installed: run apt-get install chromium to test the console' : false;

export type Scheme = 'light' | 'dark';

export interface BrowserViewOptions {
  readonly scheme?: Scheme;
  readonly width?: number;
  readonly height?: number;
}

export class Console {
  readonly server: Server;
  readonly #browser: Browser;
  readonly #views: BrowserView[] = [];

  private constructor(server: Server, browser: Browser) {
    this.server = server;
    this.#browser = browser;
  }

  static async start(options: ServerOptions = {}): Promise<Console> {
    buildConsole();
    const starting = Server.start(options);
    const more = options.flags?.includes('self-signed') === true ? [trustFlag(await starting)] : [];
    const [server, browser] = await Promise.all([starting, openChromium(more)]);
    return new Console(server, browser);
  }

  /** Opens a path of the console in a new window with its own context. */
  async open(path: string, { scheme = 'light', width = 1440, height = 1000 }: BrowserViewOptions = {}): Promise<BrowserView> {
    const context = await this.#browser.newContext({
      baseURL: this.server.url,
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: 'reduce',
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    context.setDefaultTimeout(60_000);
    const result = new BrowserView(context, await context.newPage());
    this.#views.push(result);
    await result.goTo(path);
    return result;
  }

  async end(): Promise<void> {
    await Promise.all(this.#views.map((result) => result.close()));
    await this.#browser.close();
    await this.server.end();
  }
}

/** A browser window with assertions. */
export class BrowserView {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #errors: string[] = [];

  constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error') this.#errors.push(`${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => this.#errors.push(error.stack ?? error.message));
  }

  /** Resolves once the heading of the page is visible. */
  async goTo(path: string): Promise<void> {
    await this.page.goto(path, { waitUntil: 'load' });
    await this.page.locator('h1').first().waitFor();
  }

  /** Fails if the browser's console has errors since the last call, except for those that match `allowed`. */
  assertQuiet(allowed = /^$/): void {
    const errors = this.#errors.splice(0).filter((error) => !allowed.test(error));
    assert.deepEqual(errors, [], `the browser's console at ${this.page.url()}`);
  }

  /** Fails on axe findings of any impact but minor: contrast, names, landmarks, the order of headings. */
  async assertAccessible(): Promise<void> {
    await this.page.evaluate(axe.source);
    const findings = await this.page.evaluate<Finding[]>(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => impact !== 'minor')
        .map(({ id, help, nodes }) => ({ id, help, where: nodes.slice(0, 4).map(({ html, failureSummary }) => html.slice(0, 160) + ' ' + failureSummary) })))`,
    );
    assert.deepEqual(findings, [], `axe at ${this.page.url()}`);
  }

  async screenshot(name: string): Promise<void> {
    if (process.env['TEST_SCREENSHOTS'] !== '1') return;
    mkdirSync(screenshots, { recursive: true });
    await this.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
  }

  /** The page itself must not scroll sideways, nor below its content; tabs and tables inside cards may. */
  async assertNoSidewaysScroll(): Promise<void> {
    const below = await this.page.evaluate<number>(
      'document.documentElement.scrollHeight - Math.max(document.documentElement.clientHeight, Math.ceil(document.body.getBoundingClientRect().height))',
    );
    assert(below <= 1, `${this.page.url()} scrolls ${below} px below its content`);
    const widths = () =>
      this.page.evaluate<[number, number]>('[document.documentElement.scrollWidth, document.documentElement.clientWidth]');
    // Charts adapt to a new window width with a short delay.
    await until(`${this.page.url()} fits its window`, async () => (await widths()).every((width, _, [, window]) => width <= (window ?? 0)));
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}

/**
 * Has the browser accept the certificate of this server. With `ignoreHTTPSErrors` alone each new connection fails first and its request
 * starts again, as often as 32 times on a busy machine: then the browser gives up (ERR_TOO_MANY_RETRIES).
 */
function trustFlag({ dataDir }: Server): string {
  const { publicKey } = new X509Certificate(readFileSync(join(dataDir, 'tls-cert.pem')));
  const key = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
  return `--ignore-certificate-errors-spki-list=${key.digest('base64')}`;
}

interface Finding {
  readonly id: string;
  readonly help: string;
  readonly where: readonly string[];
}

/** Drops the files of a model onto the page. */
export async function drop({ page }: BrowserView, ...files: readonly string[]): Promise<void> {
  const contents = files.map((file) => ({ name: basename(file), base64: readFileSync(file).toString('base64') }));
  const data = await page.evaluateHandle(
    `(() => { const data = new DataTransfer(); for (const { name, base64 } of ${JSON.stringify(contents)}) {
      data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name)); } return data; })()`,
  );
  const zone = page.getByTestId('drop');
  await zone.dispatchEvent('dragover', { dataTransfer: data });
  await zone.dispatchEvent('drop', { dataTransfer: data });
}
