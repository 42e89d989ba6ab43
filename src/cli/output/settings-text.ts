/** Formats settings that an update changed, and settings that a rollback did not revert with the command that does. */
import type { UpdateBody } from '../../api/index.ts';
import { formatMs } from '../../objective.ts';
import { flagOf } from '../options/format-flags.ts';
import { shellQuoted } from './format.ts';

type Staying = Pick<UpdateBody, 'endpoint' | 'to' | 'staying' | 'more_staying'>;
type Change = UpdateBody['staying'][number];

/** `objective from p95<=50ms to p95<=20ms, late from serve to shed and 3 more`; empty if there are none. */
export function settingsText(settings: UpdateBody['settings'], more: number): string {
  const shown = settings.map(({ setting, from, to }) => `${setting} from ${from ?? 'none'} to ${to ?? 'none'}`).join(', ');
  return more === 0 ? shown : `${shown} and ${more} more`;
}

/** `not reverted: late from serve to shed; revert with …`; empty if the rollback reverted all settings. */
export function unchangedText(update: Staying, between = '; '): string {
  const { staying, more_staying: more } = update;
  return staying.length === 0 ? '' : `not reverted: ${settingsText(staying, more)}${between}${revertText(update)}`;
}

/** `revert with \`penstock deploy digits/1 digits --late serve\``; settings without an option of `deploy` are left to the API. */
export function revertText({ endpoint, to, staying, more_staying: more }: Staying): string {
  const natively = `PATCH /api/v1/endpoints/${endpoint}`;
  // Turning scaling off also removes its bounds, so those need no option.
  const isFixed = staying.some(({ setting, from }) => setting.endsWith('.scaling.policy') && from === null);
  const changes = staying.filter(({ setting }) => !(isFixed && setting.includes('.scaling.') && !setting.endsWith('.policy')));
  const options = changes.map(optionOf);
  const known = options.filter((option) => option !== null);
  if (to.length !== 1 || known.length === 0) return `revert with ${natively}`;
  const command = `revert with \`penstock deploy ${to[0]} ${endpoint} ${known.join(' ')}\``;
  return known.length === options.length && more === 0 ? command : `${command}, and the rest with ${natively}`;
}

/** The option of `deploy` that restores the old value; null if no option does exactly that. */
function optionOf({ setting, from }: Change): string | null {
  const member = setting.replace(/^[^.]+\.(?=scaling\.|instance_)/, '');
  const flag = flagOf(member);
  if (flag === null || !settable.includes(member) || from === 0) return null;
  if (from === null) return member === 'objective' || member === 'scaling.policy' ? `${flag} none` : null;
  return `${flag} ${shellQuoted(typeof from === 'number' && member.endsWith('_ms') ? formatMs(from) : String(from))}`;
}

const settable = [
  'objective',
  'late',
  'timeout_ms',
  'instance_count',
  'instance_type',
  'scaling.policy',
  'scaling.instances_min',
  'scaling.instances_max',
];
