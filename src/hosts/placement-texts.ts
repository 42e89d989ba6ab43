/** Why a worker gets a host, or none: sentences with names and figures. Pure. */
import { lackOf } from './abilities.ts';
import { type HostState, type PlacementRequest, sizeText } from './host.ts';
import { type HostPool, isLargeEnough, type PooledHost } from './host-pool.ts';

/** Hosts that a sentence names. */
const namedMax = 4;

const stateTexts = {
  ready: 'is ready',
  cordoned: 'is cordoned',
  draining: 'drains',
  away: 'is away',
  lost: 'is lost',
} as const satisfies Record<HostState, string>;

/** `h2 has 3 of 4 vCPU and 6 of 8 GiB free, and its zone b has none of the 2 other instances; there is room on h3, too`. */
export function choiceText(pool: HostPool, host: PooledHost, request: PlacementRequest, fitting: readonly PooledHost[]): string {
  const { facts } = host;
  const place = request.kind === 'instance' ? spreadText(pool, host, request) : ', and hosts are filled one after the other';
  const parts = [`${facts.name} has ${roomText(host)} free${place}`];
  if (facts.artifacts.has(request.artifact)) parts.push('it has the model already');
  const others = fitting.filter((each) => each !== host).map((each) => each.facts.name);
  parts.push(others.length === 0 ? 'no other host has room' : `there is room on ${namesText(others)}, too`);
  const lacking = pool.hosts.flatMap((each) => lackText(each, request) ?? []);
  parts.push(...lacking.slice(0, namedMax), ...(lacking.length > namedMax ? [`${lacking.length - namedMax} more cannot run it`] : []));
  return parts.join('; ');
}

/** `h2 cannot run it: it has no Python`; null if it can, given room. */
function lackText({ facts: { name, abilities } }: PooledHost, { needs }: PlacementRequest): string | null {
  const lack = lackOf(abilities, needs);
  return lack === null ? null : `${name} cannot run it: ${lack}`;
}

/** `1 of 3 placed: no ready host has 2 vCPU and 4 GiB free: h1 has 1 of 4 vCPU and 8 of 8 GiB, h2 drains`. */
export function refusalText(pool: HostPool, request: PlacementRequest): string {
  const progress = progressText(pool, request);
  if (pool.hosts.length === 0) return `${progress}no host is known`;
  const able = pool.hosts.filter((host) => lackText(host, request) === null);
  if (able.length === 0) {
    const lacking = pool.hosts.slice(0, namedMax).map((host) => lackText(host, request));
    return `${progress}no host can run it: ${lacking.join('; ')}${pool.hosts.length > namedMax ? `; nor can ${pool.hosts.length - namedMax} more` : ''}`;
  }
  if (!able.some(({ facts }) => isLargeEnough(facts, request))) {
    const { facts } = able.reduce((most, each) => (each.facts.cpuMilli > most.facts.cpuMilli ? each : most));
    const { cpuMilli, memoryMiB } = facts;
    const largest = `${facts.name} has ${sizeText({ cpuMilli, memoryMiB, accelerator: null })}`;
    return `${progress}no host is as large as ${sizeText(request)}: ${largest}${able.length === 1 ? '' : ', and no other has more vCPU'}`;
  }
  const free = ({ facts, cpuFreeMilli }: PooledHost): number => (facts.state === 'ready' ? cpuFreeMilli : Number.NEGATIVE_INFINITY);
  const hosts = pool.hosts.toSorted((a, b) => free(b) - free(a));
  const known = hosts.slice(0, namedMax).map((host) => {
    const { name, state, isOnNotice } = host.facts;
    const lack = lackText(host, request);
    if (lack !== null) return lack;
    return `${name} ${state === 'ready' ? `has ${roomText(host)}` : isOnNotice ? 'stops soon' : stateTexts[state]}`;
  });
  const more = hosts.length > namedMax ? `, ${hosts.length - namedMax} more have not` : '';
  return `${progress}no ready host has ${sizeText(request)} free: ${known.join(', ')}${more}`;
}

/** `3 of 4 vCPU and 6 of 8 GiB`. */
function roomText({ facts, cpuFreeMilli, memoryFreeMiB }: PooledHost): string {
  // A home can have more workers than it has room for.
  const [cpu, memory] = [Math.max(0, cpuFreeMilli), Math.max(0, memoryFreeMiB)];
  const isWhole = memory % 1024 === 0 && facts.memoryMiB % 1024 === 0;
  const [divisor, unit] = isWhole ? [1024, 'GiB'] : [1, 'MiB'];
  return `${cpu / 1000} of ${facts.cpuMilli / 1000} vCPU and ${memory / divisor} of ${facts.memoryMiB / divisor} ${unit}`;
}

/** Where the other instances of the variant are; empty if there are none. */
function spreadText(pool: HostPool, { facts, zone, instances }: PooledHost, { variant }: PlacementRequest): string {
  const others = pool.instancesOf(variant);
  if (others === 0) return '';
  const inZone = pool.instancesByZone(variant)?.[zone] ?? 0;
  if (inZone === 0)
    return others === 1
      ? `, and the other instance is not in its zone ${facts.zone}`
      : `, and its zone ${facts.zone} has none of the ${others} other instances`;
  const onHost = instances.get(variant) ?? 0;
  if (others === 1)
    return onHost > 0 ? ', and it has the other instance' : `, and its zone ${facts.zone} has the other instance, on another host`;
  return `, and its zone ${facts.zone} has ${inZone} of the ${others} other instances, ${onHost === 0 ? 'none' : onHost} of them on this host`;
}

function namesText(names: readonly string[]): string {
  const more = names.length > namedMax ? [`${names.length - namedMax} more`] : [];
  const listed = [...names.slice(0, namedMax), ...more];
  return listed.length === 1 ? (listed[0] ?? '') : `${listed.slice(0, -1).join(', ')} and ${listed.at(-1)}`;
}

/** Empty if it is not known how many instances there are to be. */
function progressText(pool: HostPool, { kind, variant, instances }: PlacementRequest): string {
  return kind === 'function' || instances === null ? '' : `${Math.min(pool.instancesOf(variant), instances)} of ${instances} placed: `;
}
