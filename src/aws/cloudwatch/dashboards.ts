/** Dashboards, stored as opaque documents for the clients that draw them. */
import { documentLimits, parseJsonWithin } from '../../codecs/index.ts';
import { Documents } from '../sagemaker/documents.ts';
import { AwsError, type AwsInput, type AwsLocation, type AwsOperation, changeOperation, readOperation } from '../service.ts';
import { invalidValue, missingParameter } from './cloudwatch-errors.ts';
import { cloudWatchPageOf } from './cloudwatch-pages.ts';

interface Dashboard {
  readonly body: string;
}

type DashboardStore = Pick<Documents, 'put' | 'find' | 'remove' | 'all'>;

const bytesMax = 2 ** 20;
const dashboardsMax = 1000;
const pageSize = 1000;
const kind = 'dashboard';

/** Operations that change nothing. */
export function dashboardReads(documents: DashboardStore): Record<string, AwsOperation> {
  return {
    GetDashboard: readOperation('read dashboards', async ({ DashboardName }, call) => {
      const name = nameOf(DashboardName);
      const found = await documents.find<Dashboard>(kind, name);
      if (found === null) throw notFound(name);
      return { DashboardArn: dashboardArn(call, found.name), DashboardBody: found.content.body, DashboardName: found.name };
    }),
    ListDashboards: readOperation('read dashboards', async (input, call) => {
      const { DashboardNamePrefix: prefix = '' } = input;
      const all = (await documents.all<Dashboard>(kind)).filter(({ name }) => name.startsWith(String(prefix)));
      const { items, next } = cloudWatchPageOf(all, input, ({ name }) => name, { limit: pageSize, errorCode: 'InvalidParameterValue' });
      const DashboardEntries = items.map(({ name, content, updatedAtMs }) => ({
        DashboardName: name,
        DashboardArn: dashboardArn(call, name),
        LastModified: new Date(updatedAtMs),
        Size: Buffer.byteLength(content.body),
      }));
      return { DashboardEntries, ...next };
    }),
  };
}

/** Operations that are audited. */
export function dashboardWrites(documents: DashboardStore): Record<string, AwsOperation> {
  return {
    PutDashboard: changeOperation(
      'change dashboard',
      async ({ DashboardName, DashboardBody }) => {
        const name = nameOf(DashboardName);
        const body = String(DashboardBody);
        checkBody(body);
        const all = await documents.all(kind);
        if (all.length >= dashboardsMax && !all.some((each) => each.name === name))
          throw invalidValue(`There are ${dashboardsMax} dashboards already: delete some first.`);
        await documents.put({ kind, name, content: { body } satisfies Dashboard });
        return { DashboardValidationMessages: [] };
      },
      { omit: 'DashboardBody' },
    ),
    DeleteDashboards: changeOperation('change dashboard', async ({ DashboardNames }: AwsInput) => {
      const names = (DashboardNames as readonly unknown[]).map(nameOf);
      if (names.length === 0) throw missingParameter('The parameter DashboardNames is required.');
      // Deletes all of the dashboards or none.
      for (const name of names) if ((await documents.find(kind, name)) === null) throw notFound(name);
      for (const name of names) await documents.remove(kind, name);
      return {};
    }),
  };
}

function nameOf(input: unknown): string {
  const name = String(input);
  if (/^[\w-]{1,255}$/.test(name)) return name;
  throw invalidValue(
    `The value ${name.slice(0, 255)} for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) and underscore (_), 255 at most.`,
  );
}

function dashboardArn({ account }: AwsLocation, name: string): string {
  return `arn:aws:cloudwatch::${account}:dashboard/${name}`;
}

function notFound(name: string): AwsError {
  return new AwsError('ResourceNotFound', `Dashboard ${name} does not exist`, { httpStatus: 404 });
}

/** Requires a document with widgets; their contents matter only to clients that draw them. */
function checkBody(text: string): void {
  if (Buffer.byteLength(text) > bytesMax) throw invalid('', `The dashboard body has more than ${bytesMax} bytes`);
  let body: unknown;
  try {
    body = parseJsonWithin(text, documentLimits);
  } catch (cause) {
    throw invalid('', 'The field DashboardBody must be a valid JSON object', cause);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid('', 'The field DashboardBody must be a valid JSON object');
  const { widgets } = body as { widgets?: unknown };
  if (!Array.isArray(widgets)) throw invalid('/', 'Should have required property "widgets", which is an array');
  for (const [index, widget] of widgets.entries()) {
    const isOne = typeof widget === 'object' && widget !== null && typeof (widget as { type?: unknown }).type === 'string';
    if (!isOne) throw invalid(`/widgets/${index}`, 'Should have required property "type"');
  }
}

function invalid(path: string, message: string, cause?: unknown): AwsError {
  const dashboardValidationMessages = [{ DataPath: path, Message: message }];
  return new AwsError('InvalidParameterInput', `The dashboard body is invalid, there is 1 validation error: ${message}`, {
    members: { dashboardValidationMessages },
    cause,
  });
}
