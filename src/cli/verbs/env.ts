/** `penstock env`: what a shell needs to talk to this server, also with the AWS tools. `eval "$(penstock env)"` */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { loadSetting } from '../../config.ts';
import { defaultUrl, urlOfLock } from '../address.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { type CommonOptions, verb, wholeNumber } from '../verb.ts';
import { shellQuoted } from '../words.ts';

interface EnvOptions extends CommonOptions {
  readonly port?: number;
}

export function addEnv(program: Command, doors: Doors): void {
  verb(
    program,
    doors,
    'env',
    'print the exports a shell needs, for the server of --data-dir whatever PENSTOCK_URL is: eval "$(penstock env)"',
  )
    .with((command) => command.option('--port <port>', 'the port, where no server runs yet', wholeNumber(1, 65_535)))
    .runs(async (session, options: EnvOptions) => {
      const { id, secret } = await adminKey(options.dataDir);
      const url = options.port === undefined ? ((await urlOfLock(options.dataDir)) ?? defaultUrl) : `http://127.0.0.1:${options.port}`;
      const region = loadSetting('awsRegion', { flags: { dataDir: options.dataDir }, env: doors.env });
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
      if (isOther(doors.env.PENSTOCK_URL, url)) session.remark(otherText(doors.env.PENSTOCK_URL, options.dataDir, url));
      const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${shellQuoted(value)}\n`);
      session.print(variables, lines.join(''));
      return 0;
    });
}

function isOther(given = '', url: string): boolean {
  return given !== '' && given.replace(/\/+$/, '') !== url;
}

/** The key would be told to a server that does not know it. */
function otherText(given = '', dataDirectory: string, url: string): string {
  return `PENSTOCK_URL is ${given}, which this does not look at: the key is that of the server on ${dataDirectory}, at ${url}`;
}

/** Where a server signs its own certificate, clients must be told to trust it: Node and the AWS tools each in their way. */
function authorities(url: string, dataDirectory: string): Record<string, string> {
  const certificate = resolve(dataDirectory, 'tls-cert.pem');
  if (!url.startsWith('https:') || !existsSync(certificate)) return {};
  return { NODE_EXTRA_CA_CERTS: certificate, AWS_CA_BUNDLE: certificate };
}

/** The first admin key of the data directory. */
async function adminKey(dataDirectory: string): Promise<{ id: string; secret: string }> {
  const { readKeysFile } = await import('../../access/index.ts');
  const path = join(dataDirectory, 'keys.json');
  const keys = readKeysFile(path);
  if (keys === null) {
    throw new Failure(
      `there is no ${path}: start a server there with \`penstock up --data-dir ${shellQuoted(dataDirectory)}\`, or name its --data-dir`,
    );
  }
  const key = keys.find(({ role }) => role === 'admin');
  assert(key !== undefined, 'a keys file without an admin key is refused');
  return key;
}
