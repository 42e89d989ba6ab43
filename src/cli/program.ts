/** The whole command line: every verb, by what it is for. */
import { Command, Help, type Option } from 'commander';
import type { Doors } from './doors.ts';
import { addApprove, addReject } from './verbs/approve.ts';
import { addAsync } from './verbs/async.ts';
import { addAudit } from './verbs/audit.ts';
import { addCatalogue } from './verbs/catalogue.ts';
import { addConformance } from './verbs/conformance.ts';
import { addCosts } from './verbs/costs.ts';
import { addDecisions } from './verbs/decisions.ts';
import { addDeploy } from './verbs/deploy.ts';
import { addDescribe } from './verbs/describe.ts';
import { addDoctor } from './verbs/doctor.ts';
import { addBaseline, addDrift, addLabels } from './verbs/drift.ts';
import { addDelete, addEndpoints } from './verbs/endpoints.ts';
import { addEnv } from './verbs/env.ts';
import { addEvents } from './verbs/events.ts';
import { addGroups, addVersions } from './verbs/groups.ts';
import { addInvoke } from './verbs/invoke.ts';
import { addKeys } from './verbs/keys.ts';
import { addLoad, addUnload } from './verbs/load.ts';
import { addLoadTest } from './verbs/load-test.ts';
import { addLogs } from './verbs/logs.ts';
import { addAlarms, addMetrics } from './verbs/metrics.ts';
import { addPlan } from './verbs/plan.ts';
import { addProfile } from './verbs/profile.ts';
import { addRegister } from './verbs/register.ts';
import { addRollback } from './verbs/rollback.ts';
import { addRules } from './verbs/rules.ts';
import { addSimulate } from './verbs/simulate.ts';
import { addStatus } from './verbs/status.ts';
import { addTop } from './verbs/top.ts';
import { addTransform } from './verbs/transform.ts';
import { addQuickstart, addUp } from './verbs/up.ts';
import { addWhy } from './verbs/why.ts';

type AddVerb = (program: Command, doors: Doors) => void;

/** As `penstock --help` lists them. */
const groups: Readonly<Record<string, readonly AddVerb[]>> = {
  'The server:': [addUp, addQuickstart, addEnv, addDoctor, addStatus, addConformance, addKeys],
  'Models:': [addCatalogue, addRegister, addGroups, addVersions, addApprove, addReject, addProfile],
  'What would it take?': [addPlan, addSimulate],
  'Endpoints:': [addDeploy, addEndpoints, addDescribe, addInvoke, addLoadTest, addRollback, addUnload, addLoad, addDelete],
  'Later, and whole files:': [addAsync, addTransform],
  'What happens, and why:': [addTop, addMetrics, addCosts, addDecisions, addWhy, addLogs, addEvents, addAlarms, addRules, addAudit],
  'What comes in, and is it right?': [addDrift, addBaseline, addLabels],
};

export function makeProgram(doors: Doors): Command {
  const program = new Command('penstock')
    .description('Self-hosted machine-learning inference: bring a model and a promise (p95 <= 50 ms).')
    .version(doors.version, '--version', 'print the version')
    .configureHelp({ optionDescription: withoutNothing, subcommandTerm: nameAndArguments })
    .usage('<verb> [options]')
    .addHelpCommand(new Command('help').argument('[verb]').description('tell how a verb is used').helpGroup('The server:'))
    .exitOverride()
    .configureOutput({
      writeOut: (text) => doors.stdout.write(text),
      writeErr: (text) => doors.stderr.write(text),
      outputError: () => {}, // `run-cli.ts` tells it, in one line
    })
    .addHelpText(
      'after',
      '\nVerbs talk to PENSTOCK_URL, else to the server of --data-dir, else to http://127.0.0.1:8080, with the key in PENSTOCK_KEY.' +
        '\nStart with: penstock quickstart',
    );
  for (const [heading, verbs] of Object.entries(groups)) {
    program.commandsGroup(heading);
    for (const addVerb of verbs) addVerb(program, doors);
  }
  return program;
}

/** That verbs have options is said at the top. */
function nameAndArguments(this: Help, command: Command): string {
  return Help.prototype.subcommandTerm.call(this, command).replace(' [options]', '');
}

/** A switch that is off unless given, and a list that is empty, need no words. */
function withoutNothing(this: Help, option: Option): string {
  return Help.prototype.optionDescription.call(this, option).replace(/ \(default: (?:false|\[\])\)$/, '');
}
