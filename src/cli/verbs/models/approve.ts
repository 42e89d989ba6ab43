/** `penstock approve` and `penstock reject`: only approved versions deploy. */
import type { Command } from 'commander';
import type { EndpointBody, StatusBody, VersionBody } from '../../../api/index.ts';
import { defined } from '../../../defined.ts';
import type { CliContext } from '../../cli-context.ts';
import type { Client } from '../../client/client.ts';
import { versionUrlPath } from '../../models/model-source.ts';
import { acceptImports, opened, type PythonOptions } from '../../options/python-options.ts';
import { Progress } from '../../output/progress.ts';
import { type CommonOptions, verb } from '../../verb.ts';

interface DecisionOptions extends CommonOptions, Pick<PythonOptions, 'acceptImports'> {
  readonly note?: string;
}

export function addApprove(program: Command, context: CliContext): void {
  addDecision(program, context, 'approve', 'Approved', 'approve a model version for deployment');
}

export function addReject(program: Command, context: CliContext): void {
  addDecision(program, context, 'reject', 'Rejected', 'reject a model version');
}

function addDecision(program: Command, context: CliContext, name: string, approval: 'Approved' | 'Rejected', summary: string): void {
  verb(program, context, `${name} <group/version>`, summary)
    .with((command) => {
      command.option('--note <text>', 'reason, stored with the decision');
      if (approval === 'Approved') command.addOption(acceptImports());
    })
    .runs(async (session, options: DecisionOptions, reference: string) => {
      const client = await session.client();
      const { note, acceptImports: accepts } = options;
      const progress = new Progress(session.context);
      const decided = await decideApproval(client, reference, approval, { note, accepts });
      const version = await opened(client, progress, session.context, decided);
      if (approval === 'Approved') await warnOfOpenCode(client, version, (text) => session.remark(text));
      const next =
        approval === 'Approved'
          ? `: deploy it with \`penstock deploy ${version.name} ${version.group}\``
          : await stillServed(client, version);
      session.print(version, `${version.name} is ${session.style.state(version.approval)}${next}\n`);
      return 0;
    });
}

/** Warns the approver if the model's code would run without isolation. */
async function warnOfOpenCode(client: Client, { name, runtime }: VersionBody, remark: (text: string) => void): Promise<void> {
  if (runtime.kind === 'onnx') return;
  if (runtime.kind === 'process' && runtime.isolation === 'none')
    remark(`warning: ${name} runs with the server's rights: its image has "isolation": "none"`);
  const status = await client.get<StatusBody>('/status').catch(() => null); // the caller's role may not permit reading it
  if (status?.isolation?.mode === 'none')
    remark(`warning: ${name} will run with the server's rights, because this server does not isolate workers`);
}

/** Names the endpoints that still serve a rejected version: a rejection prevents new deployments only. */
async function stillServed(client: Client, { name }: VersionBody): Promise<string> {
  const endpoints = await client.all<EndpointBody>('/endpoints').catch(() => []); // the caller's role may not permit listing them
  const serving = endpoints.filter(({ variants }) => variants.some(({ model }) => model === name)).map((endpoint) => endpoint.name);
  if (serving.length === 0) return '';
  return `; ${serving.join(' and ')} still serve${serving.length === 1 ? 's' : ''} it: deploy another version there to stop that`;
}

/** A Python model is only opened by then: see `opened`. */
export function decideApproval(
  client: Client,
  reference: string,
  approval: 'Approved' | 'Rejected',
  { note, accepts = false }: { readonly note?: string | undefined; readonly accepts?: boolean | undefined } = {},
): Promise<VersionBody> {
  return client.post<VersionBody>(`${versionUrlPath(reference)}/approval`, {
    json: { approval, ...defined({ note, accept_imports: accepts ? true : undefined }) },
  });
}
