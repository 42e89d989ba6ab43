/** What `deploy` says about other models that could have been chosen, and which versions one group offers to a selection. */
import type { EndpointBody, EvaluationBody, PageBody, VersionBody } from '../../api/index.ts';
import { type Client, pathSegment } from '../client/client.ts';

/** As the server allows. */
const candidatesMax = 6;
const evaluationsMax = 20;
const versionsMax = 100;

/** The newest approved versions of a group, the newest first. */
export async function approvedVersions(client: Pick<Client, 'get'>, group: string): Promise<readonly string[]> {
  const { items } = await client.get<PageBody<VersionBody>>(`/groups/${pathSegment(group)}/versions?limit=${versionsMax}`);
  return items
    .filter(({ approval }) => approval === 'Approved')
    .slice(0, candidatesMax)
    .map(({ name }) => name);
}

/**
 * The offer to let Penstock select, if other models answered a labelled set of this one, or its group has other approved versions. Null if
 * there is no choice, or the caller may not read what there is.
 */
export async function selectionOffer(
  client: Pick<Client, 'get'>,
  model: string,
  endpoint: Pick<EndpointBody, 'name' | 'objective'>,
): Promise<string | null> {
  try {
    const { items } = await client.get<PageBody<EvaluationBody>>(`/evaluations?limit=${evaluationsMax}`);
    return offerByEvaluation(items, model, endpoint) ?? offerByGroup(await approvedVersions(client, model.split('/')[0] as string), model);
  } catch {
    return null;
  }
}

function offerByEvaluation(
  evaluations: readonly EvaluationBody[],
  model: string,
  { name, objective }: Pick<EndpointBody, 'name' | 'objective'>,
): string | null {
  for (const { set } of evaluations) {
    const answered = evaluations
      .filter((each) => each.set.name === set.name)
      .flatMap(({ models }) => models.filter(({ state, quality }) => state === 'Completed' && quality?.kind === 'classes'));
    const others = [...new Set(answered.map((each) => each.model))].filter((each) => each !== model).slice(0, candidatesMax - 1);
    if (others.length === 0 || answered.every((each) => each.model !== model)) continue;
    return (
      `${others.join(', ')} answered ${set.name} too. Let Penstock select among them: \`penstock deploy ${name} ` +
      `--select ${[model, ...others].join(',')} --evaluation ${set.name} --accuracy '>=0.95' --objective '${objective ?? 'p95<=50ms'}'\``
    );
  }
  return null;
}

function offerByGroup(approved: readonly string[], model: string): string | null {
  if (!approved.includes(model) || approved.length < 2) return null;
  return (
    `${model.split('/')[0]} has ${approved.length} approved versions. To let Penstock select among them, evaluate them first: ` +
    `\`penstock evaluate ${approved.join(' ')} --data FILE --label COLUMN --name SET\``
  );
}
