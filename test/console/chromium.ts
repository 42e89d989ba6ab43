/** The installed Chromium: one for all test files of a run, or one for a file that is run alone. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

export const chromiumPath: string | undefined = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** Disables all network traffic of the browser except that of the page. */
const flags = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  // There is none: without this flag a software renderer draws each frame with shaders, on the processor.
  '--disable-gpu',
  '--no-pings',
  // The last three: pages of the address bar, loaded with each window, for half a second of the processor.
  '--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup',
  '--disable-dev-shm-usage',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

/** Names the browser that `test/run.ts` shares. */
const sharedChromium = 'TEST_CHROMIUM';

export interface SharedChromium {
  /** The environment of the processes that use it. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The end of the browser leaves a shared one running, without the windows of this process. With `more` flags it is not shared. */
export async function openChromium(more: readonly string[] = []): Promise<Browser> {
  assert(chromiumPath !== undefined);
  const shared = process.env[sharedChromium];
  if (shared !== undefined && more.length === 0) return chromium.connect(shared);
  return chromium.launch({ executablePath: chromiumPath, args: [...flags, ...more] });
}

/** Null if Chromium is not installed. */
export async function shareChromium(): Promise<SharedChromium | null> {
  if (chromiumPath === undefined) return null;
  const server = await chromium.launchServer({ executablePath: chromiumPath, args: flags, host: '127.0.0.1' });
  return { env: { [sharedChromium]: server.wsEndpoint() }, close: () => server.close() };
}
