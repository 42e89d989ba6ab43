/** The stack that a Python worker prints at SIGUSR2. It shows where a run hangs. The lines come from foreign code: they are bounded. */

/** Stack lines that are collected, and those that are reported. */
export const stackLinesRead = 1000;
const stackLinesMax = 40;
const placeLengthMax = 200;

/** Marks the thread that executes runs: the outermost frame of the worker's own code. */
const mainFrame = /[/\\]penstock_worker[/\\]worker\.py", line \d+ in /;
const ownFrame = /[/\\]penstock_(worker|fork_server)[/\\]|File "<frozen /;
const libraryFrame = /[/\\](site|dist)-packages[/\\]|[/\\]lib[/\\]python\d[^/\\]*[/\\]/;
const header = /^(Current thread|Thread) 0x/;
const frame = /^ {2}File "(.*)", line (\d+) in (.*)$/;

/** A stack, read from the output. */
export interface HangingStack {
  /** The frames of the model by thread, the newest frame first, the thread that executes runs first. */
  readonly lines: readonly string[];
  /** Where the run is: `predict (model.py, line 12)`; null if no frame shows it. */
  readonly place: string | null;
}

/** Finds the stack in what a worker printed after the signal. */
export function hangingStack(printed: readonly string[]): HangingStack {
  const threads: string[][] = [];
  for (const line of printed) {
    if (header.test(line)) threads.push([line]);
    else if (/^ {2}(File "|\.\.\.)/.test(line)) threads.at(-1)?.push(line);
  }
  const isMain = (thread: readonly string[]): boolean => thread.some((line) => mainFrame.test(line));
  const sorted = [...threads.filter(isMain), ...threads.filter((thread) => !isMain(thread))];
  const ofModel = sorted.map((thread) => thread.filter((line) => !ownFrame.test(line))).filter(({ length }) => length > 1);
  return { lines: ofModel.flat().slice(0, stackLinesMax), place: placeOf(sorted.filter(isMain)[0] ?? []) };
}

/** The newest frame of the model's own files; if there is none, the newest of a library. */
function placeOf(thread: readonly string[]): string | null {
  const frames = thread.filter((line) => frame.test(line) && !ownFrame.test(line));
  const [, path = '', line, name] = frame.exec(frames.find((each) => !libraryFrame.test(each)) ?? frames[0] ?? '') ?? [];
  if (name === undefined) return null;
  return `${name} (${path.split(/[/\\]/).at(-1)}, line ${line})`.slice(0, placeLengthMax);
}
