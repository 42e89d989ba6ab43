/** The audit as a trail: the only one, always on, which no call creates or stops. */
import { AwsError, type AwsInput, type AwsLocation, type AwsOperation, type AwsOutput, readOperation } from '../service.ts';

const name = 'penstock-audit';

function trailArn({ region, account }: AwsLocation): string {
  return `arn:aws:cloudtrail:${region}:${account}:trail/${name}`;
}

export const trailOperations: Readonly<Record<'DescribeTrails' | 'GetTrailStatus' | 'GetEventSelectors', AwsOperation>> = {
  /** As on AWS, unknown names are left out. */
  DescribeTrails: readOperation('read server status', (input, call) => {
    const wanted = (input.trailNameList ?? []) as readonly string[];
    return { trailList: wanted.length === 0 || wanted.some((each) => isTrail(each, call)) ? [trail(call)] : [] };
  }),
  GetTrailStatus: readOperation('read server status', (input, call) => {
    requireTrail(input.Name, call);
    return { IsLogging: true };
  }),
  GetEventSelectors: readOperation('read server status', (input, call) => {
    requireTrail(input.TrailName, call);
    // Successful reads are not in the audit: see docs/reference/audit.md.
    const selector = { ReadWriteType: 'WriteOnly', IncludeManagementEvents: true, DataResources: [], ExcludeManagementEventSources: [] };
    return { TrailARN: trailArn(call), EventSelectors: [selector] };
  }),
};

function trail(location: AwsLocation): AwsOutput {
  return {
    Name: name,
    TrailARN: trailArn(location),
    HomeRegion: location.region,
    IncludeGlobalServiceEvents: true,
    IsMultiRegionTrail: false,
    IsOrganizationTrail: false,
    // Entries are chained: `penstock audit verify` finds a changed or missing one.
    LogFileValidationEnabled: true,
    HasCustomEventSelectors: false,
    HasInsightSelectors: false,
  };
}

function isTrail(text: string, location: AwsLocation): boolean {
  return text === name || text === trailArn(location);
}

function requireTrail(requested: AwsInput[string], location: AwsLocation): void {
  if (isTrail(String(requested), location)) return;
  throw new AwsError('TrailNotFoundException', `Unknown trail: ${String(requested).slice(0, 200)}: the only trail is ${name}.`);
}
