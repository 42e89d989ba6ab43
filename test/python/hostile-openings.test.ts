/** Python models whose import misbehaves, opened in a real worker with its isolation. Any python3 will do. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { PlatformError } from '../../src/errors.ts';
import { openLogs } from '../../src/logs/index.ts';
import { LocalProvider } from '../../src/providers/index.ts';
import type { OpenedPython } from '../../src/runtime/index.ts';
import { until } from '../end-to-end/poll.ts';
import { python } from '../interpreter.ts';

describe('an import that', { skip: python === null && 'no python3 of 3.9 or newer' }, () => {
  const folder = mkdtempSync('/tmp/penstock-test-');
  let provider: LocalProvider;

  before(async () => {
    chmodSync(folder, 0o755);
    const found = { interpreter: python?.path ?? '', paths: python?.folders ?? [] };
    provider = new LocalProvider({
      clock: new SystemClock(),
      log: openLogs(null, 'silent').platform,
      stateDirectory: mkdtempSync(join(folder, 'state-')),
      warmWorkers: 0,
      python: { interpreterOf: async () => found, hasNetwork: false, forks: false },
    });
    await provider.open();
  });
  after(async () => {
    await provider.close();
    rmSync(folder, { recursive: true });
  });

  function opened(source: string, timeoutMs: number): Promise<OpenedPython> {
    const path = join(folder, 'model');
    writeFileSync(path, `${source}\ndef predict(item: dict):\n    return 1\n`);
    const files = [{ name: 'model.py', path, bytes: statSync(path).size }];
    const environment = { name: null, lock: null };
    return provider.borrow((link) => link.openPython(files, { flavour: 'code', entry: 'model.py', sample: null }), {
      python: { environment, threads: 1 },
      timeoutMs,
    });
  }

  for (const [what, source, says, line] of [
    ['is malformed', 'def predict(:', /could not be opened: SyntaxError: /, /model\.py/],
    [
      'needs a package that is missing',
      'import cv2',
      /No module named 'cv2': add opencv-python-headless to requirements\.txt/,
      /import cv2/,
    ],
    ['exits', 'import sys\nsys.exit(0)', /opening the model called sys\.exit\(0\)/, /sys\.exit\(0\)/],
  ] as const) {
    test(`${what} is a reason, with its last lines`, async () => {
      await assert.rejects(opened(source, 60_000), (error: PlatformError) => {
        assert.equal(error.code, 'model_failed');
        assert.match(error.message, says);
        assert.match(error.lines.join('\n'), line);
        return true;
      });
    });
  }

  test('never ends is ended with the time that it had', async () => {
    await assert.rejects(opened('import time\ntime.sleep(1000)', 1000), { code: 'model_failed', message: /was lost: it exceeded 1 s/ });
  });

  test('prints a gigabyte is slowed down, and ended with the time that it had', async () => {
    const prints = 'import os\nfor _ in range(1000):\n    os.write(1, b"x" * 1_000_000)';
    await assert.rejects(opened(prints, 2000), { code: 'model_failed', message: /was lost: it exceeded 2 s/ });
  });

  test('prints without end of line, and many lines, is opened', async () => {
    const prints = 'import sys\nsys.stdout.write("x" * 1_000_000)\nfor i in range(20_000):\n    print("line", i)';
    assert.equal((await opened(prints, 60_000)).form, 'json');
  });

  test('starts processes leaves none of them', async () => {
    const marker = `left${process.pid}`;
    const forks = [
      'import os, time',
      'for i in range(20):',
      '    if os.fork() == 0:',
      `        open("/proc/self/comm", "w").write("${marker}")`,
      '        time.sleep(1000)',
    ].join('\n');
    assert.equal((await opened(`${forks}\ntime.sleep(0.2)`, 60_000)).form, 'json');
    await until('the processes have ended', () => !commands().includes(marker));
  });
});

/** The names of all processes of this machine. */
function commands(): readonly string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    } catch {
      return ''; // it has ended meanwhile
    }
  });
}
