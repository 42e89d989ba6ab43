/** What calls that change something do, in the words of the audit: whoever is refused is told of by the same name as whoever is not. */
import type { RouteKey } from './permissions.ts';

const deeds: Partial<Readonly<Record<RouteKey, string>>> = {
  'POST /groups': 'CreateModelGroup',
  'DELETE /groups/:group': 'DeleteModelGroup',
  'POST /groups/:group/versions': 'RegisterModelVersion',
  'PATCH /groups/:group/versions/:version': 'UpdateModelVersion',
  'DELETE /groups/:group/versions/:version': 'DeleteModelVersion',
  'POST /groups/:group/versions/:version/approval': 'SetApproval',
  'POST /groups/:group/versions/:version/profile': 'MeasureProfile',
  'POST /groups/:group/versions/:version/profile/functions': 'MeasureFunctionProfile',
  'POST /catalogue/:name/register': 'RegisterModelVersion',
  'POST /endpoints': 'CreateEndpoint',
  'PATCH /endpoints/:endpoint': 'UpdateEndpoint',
  'DELETE /endpoints/:endpoint': 'DeleteEndpoint',
  'POST /endpoints/:endpoint/load': 'LoadEndpoint',
  'POST /endpoints/:endpoint/unload': 'UnloadEndpoint',
  'POST /endpoints/:endpoint/baseline': 'SetBaseline',
  'DELETE /endpoints/:endpoint/baseline': 'DeleteBaseline',
  'POST /endpoints/:endpoint/decisions': 'DecideBatching',
  'POST /plan': 'Plan',
  'POST /transforms': 'CreateTransformJob',
  'POST /transforms/:transform/stop': 'StopTransformJob',
  'POST /transforms/:transform/resume': 'ResumeTransformJob',
  'POST /keys': 'CreateKey',
  'DELETE /keys/:id': 'RevokeKey',
  'GET /keys': 'ListKeys',
  'GET /audit': 'ListAudit',
  'GET /audit/verification': 'VerifyAudit',
};

/** Of a route that nobody named, the route. */
export function deedOf(key: RouteKey): string {
  return deeds[key] ?? key;
}
