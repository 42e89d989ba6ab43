/** A provider in a temporary data directory that runs tasks of /bin/sh. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '../src/clock.ts';
import type { Log } from '../src/logs/index.ts';
import { isolationSettings, LocalProvider, type TaskLine, type TaskSpec, type TaskView } from '../src/providers/index.ts';

const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, child: () => log };
const pauseMs = 20;

export class TaskFixture {
  readonly directory: string;
  readonly provider: LocalProvider;
  #count = 0;

  /** `directory`: that of an earlier server. */
  constructor(mode: string, directory = newDirectory()) {
    this.directory = directory;
    const isolation = isolationSettings({ mode });
    this.provider = new LocalProvider({ clock: new SystemClock(), log, stateDirectory: directory, warmWorkers: 0, isolation });
  }

  /** False if the mode does not work here. */
  async open(): Promise<boolean> {
    await this.provider.open();
    return this.provider.isolation?.mode !== 'unavailable';
  }

  get tasks(): LocalProvider['tasks'] {
    return this.provider.tasks;
  }

  /** Starts a script of /bin/sh, whose only argument is `ML`, the path of /opt/ml. */
  async start(script: string, options: Partial<TaskSpec> = {}): Promise<TaskView> {
    const id = options.id ?? `job-${++this.#count}/1`;
    const folder = options.folder ?? this.folder(id);
    mkdirSync(join(folder, 'ml/model'), { recursive: true, mode: 0o700 });
    const { ml } = this.tasks.paths(folder);
    await this.tasks.start({
      id,
      command: ['/bin/sh', '-c', script],
      environment: { ML: ml },
      folder,
      readOnly: [],
      lent: [],
      threads: 1,
      memoryMiB: 512,
      diskMiB: 1024,
      hasNetwork: true,
      isPreemptible: false,
      maxRuntimeMs: null,
      stopGraceMs: 20_000,
      ...options,
    });
    return this.view(id);
  }

  folder(id: string): string {
    return join(this.directory, 'training', id);
  }

  view(id: string): TaskView {
    const view = this.tasks.list().find((each) => each.id === id);
    assert(view !== undefined, `there is no task ${id}`);
    return view;
  }

  /** Resolves when the task is in one of these states. */
  until(id: string, ...states: readonly TaskView['state'][]): Promise<TaskView> {
    return new Promise((resolve) => {
      const cancel = this.tasks.onChange((view) => look(view));
      const look = (view: TaskView): void => {
        if (view.id !== id || !states.includes(view.state)) return;
        cancel();
        resolve(view);
      };
      look(this.view(id));
    });
  }

  /** Runs a script to its end. */
  async run(script: string, options: Partial<TaskSpec> = {}): Promise<TaskView> {
    const { id } = await this.start(script, options);
    return this.until(id, 'ended', 'lost');
  }

  /** All output so far. */
  async lines(id: string): Promise<readonly TaskLine[]> {
    const lines: TaskLine[] = [];
    for (let offset = 0; ; ) {
      const page = await this.tasks.output(id, offset);
      lines.push(...page.lines);
      if (page.nextOffset === offset) return lines;
      offset = page.nextOffset;
    }
  }

  async text(id: string): Promise<string> {
    return (await this.lines(id)).map(({ line }) => line).join('\n');
  }

  /** Resolves when the task has printed the line. */
  async untilPrinted(id: string, line: string): Promise<void> {
    while (!(await this.lines(id)).some((each) => each.line === line)) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }

  /** Ends all tasks, and removes the directory. */
  async close(): Promise<void> {
    for (const { id } of this.tasks.list()) await this.tasks.stop(id, 0);
    for (const { id } of this.tasks.list()) {
      await this.until(id, 'ended', 'lost');
      await this.tasks.remove(id);
    }
    await this.provider.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** With a secret of the server. */
export function newDirectory(): string {
  const directory = mkdtempSync('/tmp/penstock-test-');
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, 'keys.json'), 'secret', { mode: 0o600 });
  return directory;
}
