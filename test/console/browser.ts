/**
 * The console as people have it: a platform that runs, and Chromium that looks at it. Everything a page writes into the browser's console as
 * an error fails its test. One browser and one server serve a file.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { until } from '../end-to-end/poll.ts';
import { Server, type ServerOptions } from '../end-to-end/server.ts';

const checkout = join(import.meta.dirname, '../..');
/** For eyes: one picture of each page, in both themes and narrow. Kept by continuous integration, not by git. */
export const screenshots: string = join(import.meta.dirname, 'screenshots');

export const chromiumPath: string | undefined = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** `test('…', { skip: noBrowser }, …)`: false where there is one, else why not. */
export const noBrowser: string | false =
  chromiumPath === undefined ? 'no Chromium here: apt-get install chromium, and the console is tested too' : false;

/** Nothing but the page itself goes anywhere: no updates, no safe browsing, no guesses at what could be opened next. */
const flags = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
  '--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication',
  '--disable-dev-shm-usage',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

export type Scheme = 'light' | 'dark';

export interface LookOptions {
  readonly scheme?: Scheme;
  readonly width?: number;
  readonly height?: number;
}

export class Console {
  readonly server: Server;
  readonly #browser: Browser;
  readonly #looks: Look[] = [];

  private constructor(server: Server, browser: Browser) {
    this.server = server;
    this.#browser = browser;
  }

  static async start(options: ServerOptions = {}): Promise<Console> {
    assert(chromiumPath !== undefined);
    build();
    const [server, browser] = await Promise.all([Server.start(options), chromium.launch({ executablePath: chromiumPath, args: flags })]);
    return new Console(server, browser);
  }

  /** A window of its own, at a path of the console. */
  async open(path: string, { scheme = 'light', width = 1440, height = 1000 }: LookOptions = {}): Promise<Look> {
    const context = await this.#browser.newContext({
      baseURL: this.server.url,
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: 'reduce',
      ignoreHTTPSErrors: true,
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    context.setDefaultTimeout(60_000);
    const look = new Look(context, await context.newPage());
    this.#looks.push(look);
    await look.go(path);
    return look;
  }

  async end(): Promise<void> {
    await Promise.all(this.#looks.map((look) => look.close()));
    await this.#browser.close();
    await this.server.end();
  }
}

/** A window that is looked into. */
export class Look {
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

  /** The page is there when its title is. */
  async go(path: string): Promise<void> {
    await this.page.goto(path, { waitUntil: 'load' });
    await this.page.locator('h1').first().waitFor();
  }

  /** What the page complained of since the last look; `allowed` is what the test itself brought about. */
  assertQuiet(allowed = /^$/): void {
    const errors = this.#errors.splice(0).filter((error) => !allowed.test(error));
    assert.deepEqual(errors, [], `the browser's console at ${this.page.url()}`);
  }

  /** No finding of axe that is serious or worse. */
  async assertAccessible(): Promise<void> {
    await this.page.evaluate(axe.source);
    const findings = await this.page.evaluate<Finding[]>(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, help, nodes }) => ({ id, help, where: nodes.slice(0, 4).map(({ html, failureSummary }) => html.slice(0, 160) + ' ' + failureSummary) })))`,
    );
    assert.deepEqual(findings, [], `axe at ${this.page.url()}`);
  }

  async screenshot(name: string): Promise<void> {
    mkdirSync(screenshots, { recursive: true });
    await this.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
  }

  /** Nothing but tabs and tables within their cards scrolls sideways. */
  async assertNoSidewaysScroll(): Promise<void> {
    const widths = () =>
      this.page.evaluate<[number, number]>('[document.documentElement.scrollWidth, document.documentElement.clientWidth]');
    // A chart takes its new width a moment after the window has.
    await until(
      `${this.page.url()} fits its window`,
      async () => (await widths()).every((width, _, [, window]) => width <= (window ?? 0)),
      5000,
    );
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}

interface Finding {
  readonly id: string;
  readonly help: string;
  readonly where: readonly string[];
}

/** A model file dropped onto the page, as a person drops it. */
export async function drop({ page }: Look, file: string): Promise<void> {
  const bytes = readFileSync(file).toString('base64');
  const data = await page.evaluateHandle(
    `(() => { const data = new DataTransfer(); const bytes = Uint8Array.from(atob('${bytes}'), (c) => c.charCodeAt(0));
      data.items.add(new File([bytes], '${basename(file)}')); return data; })()`,
  );
  const zone = page.getByTestId('drop');
  await zone.dispatchEvent('dragover', { dataTransfer: data });
  await zone.dispatchEvent('drop', { dataTransfer: data });
}

/**
 * What is looked at is what stands in the checkout, also where somebody has just changed it. Where nobody has since the last build there is none:
 * it would take the files away under a page that another test, at the same time, is about to load.
 */
function build(): void {
  const root = join(checkout, 'console');
  const built = join(root, 'dist/index.html');
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => !/^(dist|node_modules)\b/.test(path));
  const changedMs = Math.max(...sources.map((path) => statSync(join(root, path)).mtimeMs));
  if (existsSync(built) && statSync(built).mtimeMs >= changedMs) return;
  const vite = join(checkout, 'node_modules/vite/bin/vite.js');
  execFileSync(process.execPath, [vite, 'build', root, '--logLevel', 'error'], { stdio: 'inherit' });
}
