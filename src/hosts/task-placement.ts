/** On which host a task starts: one with room and all that it needs; functions and tasks fill one host after the other. */
import type { FreeCapacity, TaskRequest } from '../providers/index.ts';
import { lacksOf, type WorkerRequirements } from './abilities.ts';
import { chooseFrom, type HostChoice } from './choose-host.ts';
import type { HostFacts, PlacedWorker, PlacementRequest, WorkerSize } from './host.ts';
import { HostPool } from './host-pool.ts';
import type { KnownRequirements } from './known-requirements.ts';
import type { TaskChooser } from './placed-tasks.ts';

export interface TaskPlacementDeps {
  readonly needs: Pick<KnownRequirements, 'learnTask' | 'ofTask'>;
  /** Hosts other than the machine of the home. */
  readonly hosts: () => readonly HostFacts[];
  readonly workers: () => Iterable<PlacedWorker>;
}

export class TaskPlacement implements TaskChooser {
  readonly #deps: TaskPlacementDeps;

  constructor(deps: TaskPlacementDeps) {
    this.#deps = deps;
  }

  async choose(request: TaskRequest, avoided: ReadonlySet<string>): Promise<HostChoice | null> {
    const { needs, hosts, workers } = this.#deps;
    await needs.learnTask(request.environment);
    const facts = hosts().map((host) =>
      avoided.has(host.name) && host.state === 'ready' ? { ...host, state: 'cordoned' as const } : host,
    );
    if (facts.length === 0) return null;
    const required = needs.ofTask(request.environment);
    if (required === null) return { fits: false, reason: 'its Python is only on the machine of the home' };
    const lacks = lacksAll(facts, required);
    return lacks === null ? chooseFrom(new HostPool(facts, workers()), placementOf(request, required)) : { fits: false, reason: lacks };
  }

  /** What is not known yet of an environment is learned meanwhile: until then, no host has room for its tasks. */
  freeCapacity(): FreeCapacity {
    const { hosts, workers } = this.#deps;
    const facts = hosts();
    if (facts.length === 0) return { take: () => false };
    const pool = new HostPool(facts, workers());
    let taken = 0;
    return {
      take: (request) => {
        const required = this.#known(request);
        if (required === null) return false;
        const placement = placementOf(request, required);
        const choice = chooseFrom(pool, placement);
        if (choice.fits) pool.place({ ...placement, id: `task ${taken++}`, host: choice.host });
        return choice.fits;
      },
    };
  }

  /** What the task occupies on a host; null if none can run it, whatever its room, so that another one would not help. */
  sizeOf(request: Omit<TaskRequest, 'id' | 'folder' | 'name'>): WorkerSize | null {
    const required = this.#known(request);
    if (required === null || lacksAll(this.#deps.hosts(), required) !== null) return null;
    const { cpuMilli, memoryMiB, accelerator } = placementOf(request, required);
    return { cpuMilli, memoryMiB, accelerator };
  }

  /** Null: it runs on the home only, or it is not known yet what it needs. */
  #known({ environment }: Pick<TaskRequest, 'environment'>): WorkerRequirements | null {
    const { needs } = this.#deps;
    const required = needs.ofTask(environment);
    if (required === null) void needs.learnTask(environment);
    return required;
  }
}

/** Why no host can run the task, whatever its room; null if one can, and without hosts: the first one may. */
function lacksAll(hosts: readonly HostFacts[], needs: WorkerRequirements): string | null {
  const known = hosts.flatMap(({ name, abilities }) => (abilities === undefined ? [] : [{ name, abilities }]));
  return hosts.length === 0 ? null : lacksOf(known, needs);
}

function placementOf({ threads, memoryMiB }: Pick<TaskRequest, 'threads' | 'memoryMiB'>, needs: WorkerRequirements): PlacementRequest {
  const size = { cpuMilli: 1000 * threads, memoryMiB, accelerator: null };
  return { ...size, variant: 'task', kind: 'function', artifact: '', instances: null, needs };
}
