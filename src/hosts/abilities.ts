/** What hosts can do besides their size, and what a worker needs of its host. Pure. */

/** A Python of a host. */
export interface HostPython {
  /** As config.json of the home names interpreters: `default`, or a name of the operator. */
  readonly name: string;
  /** `3.11.7` */
  readonly version: string;
  /** `linux-x86_64` */
  readonly platform: string;
  /** Versions of its packages by their normalized names. */
  readonly packages: ReadonlyMap<string, string>;
}

/** As the agent of a host reports them when it links. */
export interface HostAbilities {
  /** The mode in which foreign code is confined, `none` or `unavailable`; null if the agent is too old to report it. */
  readonly isolation: string | null;
  /** Of the processor, as Node names it; null if the agent is too old to report it. */
  readonly architecture: string | null;
  readonly pythons: readonly HostPython[];
  /** Whether it runs tasks; absent if the agent is too old to. */
  readonly runsTasks?: boolean;
}

/** What a Python worker needs. */
export interface PythonRequirements {
  /** Lower case: an interpreter of the operator. Any name is as good if there is a lock. */
  readonly name: string;
  /** The key of the environment, which is made from the archive of the home; null if the interpreter is used as it is. */
  readonly lock: string | null;
  readonly version: string;
  readonly platform: string;
  /** Packages that the model was opened with, with their versions; empty with a lock. */
  readonly libraries: Readonly<Record<string, string>>;
}

/** What a worker needs besides room. */
export interface WorkerRequirements {
  /** `none`: an ONNX model. `foreign`: a program or Python. `confined`: that, and the machine of the home confines it. */
  readonly code: 'none' | 'foreign' | 'confined';
  /** Null if it runs on any. */
  readonly architecture: string | null;
  /** Null if it is not Python. */
  readonly python: PythonRequirements | null;
  /** Whether it is a task; absent for workers. */
  readonly isTask?: boolean;
}

const lacksShown = 3;

/** PEP 503: names that mean one package are equal. */
export function packageKey(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}

/** What the host does not have, as in `it has no Python 3.11`; null if it has everything. Absent abilities: the machine of the home. */
export function lackOf(abilities: HostAbilities | undefined, needs: WorkerRequirements | undefined): string | null {
  if (abilities === undefined || needs === undefined) return null;
  const { isolation, architecture, pythons, runsTasks = false } = abilities;
  if (needs.isTask === true && !runsTasks) return 'its agent is too old to run tasks';
  if (needs.code !== 'none' && isolation === 'unavailable') return 'it cannot isolate foreign code';
  if (needs.code === 'confined' && isolation === 'none') return 'it does not isolate foreign code, and the machine of the home does';
  if (needs.architecture !== null && architecture !== null && architecture !== needs.architecture)
    return `its processor is ${architecture}, and the program is for ${needs.architecture}`;
  return needs.python === null ? null : lackOfPython(pythons, needs.python);
}

/** Why none of these hosts can run the worker, whatever its room; null if one can. */
export function lacksOf(
  hosts: readonly { readonly name: string; readonly abilities: HostAbilities }[],
  needs: WorkerRequirements | undefined,
): string | null {
  const lacks = hosts.map(({ name, abilities }) => ({ name, lack: lackOf(abilities, needs) }));
  if (lacks.some(({ lack }) => lack === null)) return null;
  const shown = lacks.slice(0, lacksShown).map(({ name, lack }) => `${name} cannot run it: ${lack}`);
  return `no host can run it: ${shown.join('; ')}${lacks.length > lacksShown ? `; nor can ${lacks.length - lacksShown} more` : ''}`;
}

function lackOfPython(pythons: readonly HostPython[], { name, lock, version, platform, libraries }: PythonRequirements): string | null {
  if (lock !== null) {
    const same = pythons.some((python) => python.version === version && python.platform === platform);
    return same ? null : `it has no Python ${version} on ${platform}, which environment ${lock.slice(0, 12)} needs${others(pythons)}`;
  }
  const found = pythons.find((python) => python.name === name);
  const called = name === 'default' ? '' : ` named ${name}`;
  if (found === undefined) return `it has no Python${called}`;
  const isSame = minorOf(found.version) === minorOf(version) && found.platform === platform;
  if (!isSame) return `it has no Python ${minorOf(version)} on ${platform}${called}, but ${found.version} on ${found.platform}`;
  for (const [library, wanted] of Object.entries(libraries)) {
    const has = found.packages.get(packageKey(library));
    if (has !== wanted) return `its Python${called} has ${has === undefined ? 'no' : `${library} ${has}, not`} ${library} ${wanted}`;
  }
  return null;
}

function others(pythons: readonly HostPython[]): string {
  const versions = [...new Set(pythons.map(({ version }) => version))];
  return versions.length === 0 ? '' : `, but ${versions.slice(0, 4).join(', ')}`;
}

function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
