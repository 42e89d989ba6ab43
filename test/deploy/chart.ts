/** Renders the chart, and reads the pods of its objects. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { KubernetesObject } from './kubernetes-objects.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
export const chartFolder = join(root, 'deploy/helm/penstock');
export const renderedPath = join(root, 'deploy/kubernetes/penstock.yaml');

const renderedNote = `# The chart deploy/helm/penstock with its default values, written by \`npm run render\`. Change the chart instead.\n`;

/** What \`helm template\` prints. Rejects with what helm says of wrong values. */
export async function renderChart(helm: string, options: readonly string[] = []): Promise<string> {
  const { stdout } = await run(helm, ['template', 'penstock', chartFolder, '--namespace', 'penstock', ...options], { env: {} });
  return stdout;
}

/** The file in deploy/kubernetes. Its objects are not managed by helm. */
export async function renderedFile(helm: string): Promise<string> {
  const text = await renderChart(helm);
  return renderedNote + text.replaceAll(/^ +app\.kubernetes\.io\/managed-by: Helm\n/gm, '');
}

export function objectsIn(text: string): KubernetesObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (!('errors' in document)) return [];
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const object = document.toJS() as KubernetesObject | null;
    return object === null ? [] : [object];
  });
}

export interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
}

/** The containers of a StatefulSet or Deployment. */
export function containersOf(object: KubernetesObject): readonly Container[] {
  const { spec } = object as unknown as { spec?: { template?: { spec?: { containers?: Container[] } } } };
  return spec?.template?.spec?.containers ?? [];
}
