/** `penstock env`: the environment variables that a shell needs to use this server, also with AWS tools: `eval "$(penstock env)"`. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { loadSetting } from '../../../config.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { defaultUrl, urlOfLock } from '../../client/address.ts';
import { shellQuoted } from '../../output/format.ts';
import { type CommonOptions, verb, wholeNumber } from '../../verb.ts';

interface EnvOptions extends CommonOptions {
  readonly port?: number;
}

export function addEnv(program: Command, context: CliContext): void {
  verb(program, context, 'env', 'print shell exports for the server of --data-dir (ignores PENSTOCK_URL): eval "$(penstock env)"')
    .with((command) => command.option('--port <port>', 'the port of a server that is not running yet', wholeNumber(1, 65_535)))
    .runs(async (session, options: EnvOptions) => {
      const { id, secret } = await adminKey(options.dataDir);
      const own = options.port === undefined ? await urlOfLock(options.dataDir) : `http://127.0.0.1:${options.port}`;
      const url = own ?? defaultUrl;
      const region = loadSetting('awsRegion', { flags: { dataDir: options.dataDir }, env: context.env });
      const variables = {
        AWS_ENDPOINT_URL: url,
        AWS_ACCESS_KEY_ID: id,
        AWS_SECRET_ACCESS_KEY: secret,
        AWS_REGION: region,
        AWS_DEFAULT_REGION: region,
        PENSTOCK_URL: url,
        PENSTOCK_KEY: `${id}:${secret}`,
        ...authorities(url, options.dataDir),
      };
      if (own === null)
        session.remark(`no server is running on ${options.dataDir}: ${url} is where one listens by default; name another port with --port`);
      if (isOther(context.env.PENSTOCK_URL, url))
        session.remark(otherText(context.env.PENSTOCK_URL, own === null ? url : `${url}, the server on ${options.dataDir}`));
      const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${shellQuoted(value)}\n`);
      session.print(variables, lines.join(''));
      return 0;
    });
}

function isOther(provided = '', url: string): boolean {
  return provided !== '' && provided.replace(/\/+$/, '') !== url;
}

/** The other address may be that of a proxy or of another node of the cluster: the key is valid there, too. */
function otherText(provided = '', own: string): string {
  return `PENSTOCK_URL changes from ${provided} to ${own}. The key is valid at the first only if both are one server or one cluster`;
}

/** The variables that make Node and the AWS tools trust a self-signed certificate. */
function authorities(url: string, dataDirectory: string): Record<string, string> {
  const certificate = resolve(dataDirectory, 'tls-cert.pem');
  if (!url.startsWith('https:') || !existsSync(certificate)) return {};
  return { NODE_EXTRA_CA_CERTS: certificate, AWS_CA_BUNDLE: certificate };
}

/** The first admin key of the data directory. */
async function adminKey(dataDirectory: string): Promise<{ id: string; secret: string }> {
  const { readKeysFile } = await import('../../../access/index.ts');
  const { holderOf } = await import('../../../data-directory/index.ts');
  const path = join(dataDirectory, 'keys.json');
  const keys = readKeysFile(path);
  if (keys === null) {
    const holder = holderOf(dataDirectory);
    if (holder !== null) {
      const why = 'it is starting, or it is a host or a node that has not served yet';
      throw new CliError(`${holder} uses ${dataDirectory} and has no ${path}: ${why}. Pass the --data-dir of a node that has served`);
    }
    throw new CliError(
      `there is no ${path}: start a server there with \`penstock up --data-dir ${shellQuoted(dataDirectory)}\`, or pass its --data-dir. In a cluster, only a node that has served has one`,
    );
  }
  const key = keys.find(({ role }) => role === 'admin');
  assert(key !== undefined, 'a keys file without an admin key is rejected');
  return key;
}
