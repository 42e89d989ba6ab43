/**
 * A model that does its worst in a request, on a real server: its caller gets a clear error, its operator finds the reason in the log, the
 * next request is answered, and the endpoint beside it loses none. Any python3 will do.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Load } from '../end-to-end/load.ts';
import { until } from '../end-to-end/poll.ts';
import { python } from '../interpreter.ts';
import { TestServer } from '../processes/server.ts';

/** The name of processes that the model starts. */
const marker = `bomb${process.pid}`;

const hostile = `
import ctypes, os, signal, sys, threading, time

KEPT = []

def raises():
    raise ValueError("a secret of the model")

def exits():
    sys.exit(7)

def ends():
    os._exit(3)

def segfaults():
    print("dereferences null")
    ctypes.string_at(0)

def loops():
    while True:
        pass

def holds_the_lock():
    pow(3, 10 ** 9)

def takes_memory():
    for _ in range(160):
        KEPT.append(b"x" * (64 << 20))

def starts_processes():
    open("/proc/self/comm", "w").write("${marker}")
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(600)

def starts_threads():
    for _ in range(10_000):
        threading.Thread(target=time.sleep, args=(600,)).start()

def leaves_a_thread():
    threading.Thread(target=time.sleep, args=(600,)).start()

def prints():
    for i in range(100_000):
        print("line", i)

def closes_its_output():
    os.close(1)

def writes_to_descriptors():
    for descriptor in range(3, 12):
        try:
            os.write(descriptor, b"x")
        except OSError:
            pass

def changes_its_folder():
    os.chdir("/")

def ignores_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

def predict(item: dict):
    globals()[item["how"]]() if item["how"] != "answers" else None
    return item["how"]
`;

/** Returns something else than a list with a result for each row. */
const meagre = `
def predict(items: list[dict]):
    return {"none": None, "short": [], "object": [object() for _ in items], "answers": ["answers" for _ in items]}[items[0]["how"]]
`;

const neighbour = `
def predict(items: list[dict]):
    if any("bad" in item for item in items):
        raise ValueError("a bad row")
    return items
`;

/** What a request does; the status of its response and what the response says; what the log of the workers says. */
const cases: readonly (readonly [how: string, status: number, says: RegExp, logs?: RegExp])[] = [
  ['raises', 500, /the model failed: ValueError; its log has the traceback/, /model\.py.*, line \d+, in raises/],
  ['exits', 500, /crashed 2 times while running this request/, /the model called sys\.exit\(7\)/],
  ['ends', 500, /crashed 2 times while running this request/, /the worker ended: exit code 3/],
  ['segfaults', 500, /crashed 2 times while running this request/, /Segmentation fault/],
  ['loops', 504, /within the timeout of 3s/, /in loops/],
  ['holds_the_lock', 504, /within the timeout of 3s/, /in holds_the_lock/],
  ['takes_memory', 500, /crashed 2 times while running this request/, /the worker ended: .*(memory|SIGKILL)/],
  ['starts_processes', 504, /within the timeout of 3s/],
  ['leaves_a_thread', 200, /leaves_a_thread/],
  ['starts_threads', 500, /the model failed: RuntimeError/, /can't start new thread/],
  ['prints', 200, /prints/, /\d+ lines were dropped: at most 500 per second are retained/],
  ['closes_its_output', 200, /closes_its_output/],
  ['writes_to_descriptors', 200, /writes_to_descriptors/],
  ['changes_its_folder', 200, /changes_its_folder/],
  ['ignores_signals', 200, /ignores_signals/],
];

/** These take longer than the endpoint waits on which others hang. */
const slow: ReadonlySet<string> = new Set(['takes_memory', 'prints']);

describe('a model that', { skip: python === null && 'no python3 of 3.9 or newer', timeout: 300_000 }, () => {
  const server = new TestServer([], { environments: { default: { python: python?.path ?? '' } } });
  const json = { 'content-type': 'application/json' };
  const otherStatuses: number[] = [];
  let load: Load | null = null;

  before(async () => {
    await server.start();
    await Promise.all([approved('hostile', hostile), approved('meagre', meagre), approved('neighbour', neighbour)]);
    const variants = [{ model: 'hostile/1', functions: { memory_mib: 512 } }];
    await deployed({ name: 'hostile', variants, timeout_ms: 3000 });
    await deployed({ name: 'patient', variants, timeout_ms: 120_000 });
    await deployed({ name: 'meagre', variants: [{ model: 'meagre/1' }] });
    await deployed({ name: 'neighbour', variants: [{ model: 'neighbour/1' }] });
    await answers('hostile');
    load = Load.start(1, async () => void otherStatuses.push((await server.invoke('neighbour', '{"a":1}', json)).status));
  });
  after(async () => {
    await load?.stop();
    await server.close();
  });

  async function approved(name: string, code: string): Promise<void> {
    await server.call('POST', `/groups/${name}/versions?name=model.py`, code);
    await server.call('POST', `/groups/${name}/versions/1/approval`, { approval: 'Approved' });
    const version = await until(`${name} is opened`, async () => {
      const answer = await server.call('GET', `/groups/${name}/versions/1`);
      return answer.at('python.state') !== 'opening' && answer;
    });
    assert.equal(version.at('approval'), 'Approved', version.text);
  }

  async function deployed(endpoint: { readonly name: string; readonly variants: readonly object[]; timeout_ms?: number }): Promise<void> {
    const created = await server.call('POST', '/endpoints', endpoint);
    assert.equal(created.status, 202, created.text);
    await server.until(endpoint.name, 'InService', 60);
  }

  const does = (how: string, endpoint: string): ReturnType<typeof server.invoke> =>
    server.invoke(endpoint, JSON.stringify({ how }), { ...json, 'x-request-id': how });
  /** The next worker may start more slowly than its endpoint waits, on a busy machine. */
  const answers = (endpoint: string): Promise<unknown> =>
    until(`${endpoint} answers`, async () => (await does('answers', endpoint)).text === '"answers"');
  const log = async (endpoint: string): Promise<string> =>
    (await server.call('GET', `/logs?log=workers&endpoint=${endpoint}&limit=5000`)).text;

  for (const [how, status, says, logs] of cases) {
    test(`${how.replaceAll('_', ' ')} harms no other request`, async () => {
      const endpoint = slow.has(how) ? 'patient' : 'hostile';
      const answer = await does(how, endpoint);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.text, says);
      assert.doesNotMatch(answer.text, /secret/);
      if (logs !== undefined) await until(`the log has ${String(logs)}`, async () => logs.test(await log(endpoint)));
      await answers(endpoint);
    });
  }

  for (const [what, how, says] of [
    ['None', 'none', /returned a NoneType: expected a list of 1/],
    ['a list too short', 'short', /returned a list of 0 for 1 rows: expected one for each/],
    ['what is no JSON', 'object', /returned what is not JSON: a object is not JSON/],
  ] as const) {
    test(`returns ${what} fails that request, and answers the next`, async () => {
      const answer = await does(how, 'meagre');
      assert.equal(answer.status, 500, answer.text);
      assert.match(answer.text, says);
      assert.equal((await does('answers', 'meagre')).text, '"answers"');
    });
  }

  test('raises for one row of eight answers the other seven', async () => {
    const rows = Array.from({ length: 8 }, (_, row) => JSON.stringify(row === 3 ? { bad: row } : { row }));
    const answers = await Promise.all(rows.map((row) => server.invoke('neighbour', row, json)));
    assert.deepEqual(
      answers.map(({ status, text }, row) => (row === 3 ? status : text)),
      rows.map((text, row) => (row === 3 ? 500 : text)),
    );
  });

  test('was ended leaves no process, and its neighbour answered every request', async () => {
    await until('the processes have ended', () => !commands().includes(marker));
    await server.call('DELETE', '/endpoints/hostile');
    await server.until('hostile', 'deleted');
    assert(otherStatuses.length > 0);
    assert.deepEqual([load?.failures, [...new Set(otherStatuses)]], [[], [200]]);
  });
});

/** The names of all processes of this machine. */
function commands(): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      } catch {
        return ''; // it has ended meanwhile
      }
    });
}
