/** Settings that an update changed, and those that a rollback leaves as they are, with what would change them back. */
import type { UpdateBody } from '../api/index.ts';
import { formatMs } from '../objective.ts';
import { flagOf } from './flag-words.ts';
import { shellQuoted } from './words.ts';

type Staying = Pick<UpdateBody, 'endpoint' | 'to' | 'staying' | 'more_staying'>;
type Change = UpdateBody['staying'][number];

/** `objective from p95<=50ms to p95<=20ms, late from serve to shed and 3 more`; nothing where there are none. */
export function settingsText(settings: UpdateBody['settings'], more: number): string {
  const told = settings.map(({ setting, from, to }) => `${setting} from ${from ?? 'none'} to ${to ?? 'none'}`).join(', ');
  return more === 0 ? told : `${told} and ${more} more`;
}

/** `these settings stay: late from serve to shed; …` with what changes them back; nothing where none do. */
export function stayingText(update: Staying, between = '; '): string {
  const { staying, more_staying: more } = update;
  return staying.length === 0 ? '' : `these settings stay: ${settingsText(staying, more)}${between}${changeBackText(update)}`;
}

/** `\`penstock deploy digits/1 digits --late serve\` changes them back`; what `deploy` has no option for is natively. */
export function changeBackText({ endpoint, to, staying, more_staying: more }: Staying): string {
  const natively = `PATCH /api/v1/endpoints/${endpoint} changes`;
  // A number of instances that followed no load then does not either once that is said: its bounds are gone with it.
  const isFixed = staying.some(({ setting, from }) => setting.endsWith('.scaling.policy') && from === null);
  const changes = staying.filter(({ setting }) => !(isFixed && setting.includes('.scaling.') && !setting.endsWith('.policy')));
  const options = changes.map(optionOf);
  const known = options.filter((option) => option !== null);
  if (to.length !== 1 || known.length === 0) return `${natively} them back`;
  const command = `\`penstock deploy ${to[0]} ${endpoint} ${known.join(' ')}\``;
  return known.length === options.length && more === 0
    ? `${command} changes them back`
    : `${command}, and for the rest ${natively} them back`;
}

/** Of `deploy`; null where it has none that says just this. */
function optionOf({ setting, from }: Change): string | null {
  const member = setting.replace(/^[^.]+\.(?=scaling\.|instance_)/, '');
  const flag = flagOf(member);
  if (flag === null || !sayable.includes(member) || from === 0) return null;
  if (from === null) return member === 'objective' || member === 'scaling.policy' ? `${flag} none` : null;
  return `${flag} ${shellQuoted(typeof from === 'number' && member.endsWith('_ms') ? formatMs(from) : String(from))}`;
}

const sayable = [
  'objective',
  'late',
  'timeout_ms',
  'instance_count',
  'instance_type',
  'scaling.policy',
  'scaling.instances_min',
  'scaling.instances_max',
];
