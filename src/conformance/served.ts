/** What else the server has, beside the model that is asked. */
import { Subject, specsOf } from './subject.ts';
import type { Target } from './target.ts';
import type { Json } from './wire.ts';

/** The names that the server lists, by whichever of the two ways it has; at most so many are looked at. */
export async function servedModels({ wire }: Pick<Target, 'wire'>): Promise<string[]> {
  const listed = await wire.send('/v2/models');
  const { models } = listed.json ?? {};
  if (listed.status === 200 && Array.isArray(models)) return named(models);
  const index = await wire.send('/v2/repository/index', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
  if (index.status !== 200 || !Array.isArray(index.json)) return [];
  return named((index.json as Json[]).filter(({ state }) => state === 'READY').map(({ name }) => name));
}

const modelsMax = 20;

function named(names: readonly unknown[]): string[] {
  return [...new Set(names)].filter((name): name is string => typeof name === 'string' && /^[\w.-]+$/.test(name)).slice(0, modelsMax);
}

/** Some model with what the case needs: the subject, else any that the server lists. */
export async function modelWith(
  target: Target,
  candidates: readonly string[],
  fits: (subject: Subject) => boolean,
): Promise<Subject | null> {
  if (fits(target.subject)) return target.subject;
  for (const name of candidates) {
    const { status, json } = await target.wire.send(`/v2/models/${name}`);
    if (status !== 200 || json === null || specsOf(json['inputs']).length === 0) continue;
    const subject = new Subject(name, json);
    if (fits(subject)) return subject;
  }
  return null;
}
