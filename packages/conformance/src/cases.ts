/** All cases, by group and number. */
import type { Case } from './case.ts';
import { binaryCases } from './cases/binary.ts';
import { datatypeCases } from './cases/datatypes.ts';
import { extensionCases } from './cases/extensions.ts';
import { generateCases } from './cases/generate.ts';
import { jsonCases } from './cases/json.ts';
import { rpcDatatypeCases } from './cases/rpc-datatypes.ts';
import { rpcServerCases } from './cases/rpc-server.ts';
import { rpcStreamCases } from './cases/rpc-streams.ts';
import { scheduleCases } from './cases/schedule.ts';
import { serverCases } from './cases/server.ts';
import { transportCases } from './cases/transport.ts';

const order = (id: string): number => 'CBGX'.indexOf(id[0] as string) * 1000 + Number(id.slice(1));

export const cases: readonly Case[] = [
  ...serverCases,
  ...jsonCases,
  ...datatypeCases,
  ...transportCases,
  ...binaryCases,
  ...rpcServerCases,
  ...rpcDatatypeCases,
  ...rpcStreamCases,
  ...extensionCases,
  ...scheduleCases,
  ...generateCases,
].sort((a, b) => order(a.id) - order(b.id));
