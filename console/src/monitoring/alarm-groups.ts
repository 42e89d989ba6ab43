/** Groups alarms by endpoint: firing groups first, and firing alarms first within a group. Pure functions. */
import type { AlarmBody } from '../../../src/api/index.ts';

export interface AlarmGroup {
  /** Unique, and no name of an endpoint for `Server` and `Other`. */
  readonly id: string;
  /** The endpoint, `Server`, or `Other`. */
  readonly title: string;
  /** Null for the alarms of the server and those on other metrics. */
  readonly endpoint: string | null;
  readonly alarms: readonly AlarmBody[];
  readonly firing: number;
}

type Alarm = Pick<AlarmBody, 'name' | 'managed' | 'metric'>;

/** The endpoint of an alarm: default alarms are named `penstock/ENDPOINT/KIND`, others have it as a dimension. Null if there is none. */
export function alarmEndpoint({ name, managed, metric }: Alarm): string | null {
  if (managed) return /^penstock\/([^/]+)\/[^/]+$/.exec(name)?.[1] ?? null;
  return metric?.dimensions['EndpointName'] ?? null;
}

/** The name of an alarm within its group: `objective` for `penstock/digits/objective`. */
export function alarmTitle({ name, managed }: Alarm): string {
  return managed ? name.slice(name.lastIndexOf('/') + 1) : name;
}

/** The rule and the description. The group already says whose default alarm it is. */
export function alarmText({ rule, description, managed }: Pick<AlarmBody, 'rule' | 'description' | 'managed'>): string {
  const about = managed
    ? description.replace(/^(Endpoint \S+|The server): /, '').replace(/ Every [^.]* has this alarm\.$/, '')
    : description;
  const text = [rule, about].filter((part) => part !== null && part !== '').join('. ');
  return managed ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

/** The endpoint's page that explains an alarm. */
export function alarmTab({ name, managed }: Alarm): string | undefined {
  if (!managed) return undefined;
  if (name.endsWith('/errors')) return 'logs';
  return name.endsWith('/crash-loop') ? 'variants' : undefined;
}

const lastTitles = ['Server', 'Other'];

export function alarmGroups(alarms: readonly AlarmBody[]): AlarmGroup[] {
  const groups = Map.groupBy(alarms, (alarm) => alarmEndpoint(alarm) ?? (alarm.managed ? null : undefined));
  return [...groups]
    .map(([endpoint, members]): AlarmGroup => {
      const firing = members.filter(isFiring).length;
      const title = endpoint ?? (endpoint === null ? 'Server' : 'Other');
      return { id: endpoint ?? `/${title}`, title, endpoint: endpoint ?? null, alarms: members.toSorted(byUrgency), firing };
    })
    .toSorted((a, b) => b.firing - a.firing || rank(a) - rank(b) || a.title.localeCompare(b.title));
}

const isFiring = ({ state }: AlarmBody): boolean => state === 'ALARM';

const rank = ({ endpoint, title }: AlarmGroup): number => (endpoint === null ? 1 + lastTitles.indexOf(title) : 0);

function byUrgency(a: AlarmBody, b: AlarmBody): number {
  return Number(isFiring(b)) - Number(isFiring(a)) || Number(a.managed) - Number(b.managed) || a.name.localeCompare(b.name);
}
