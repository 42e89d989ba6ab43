/** The Try it page for a model that is not a classifier: it adds two vectors of three numbers. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  TensorShapeProto_DimensionSchema as DimensionSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { modelPath } from '../models/index.ts';
import { Console, noBrowser } from './browser.ts';

const float = 1;

/** An FP32 tensor of shape `[N,3]`. */
function rows(name: string) {
  const dim: MessageInitShape<typeof DimensionSchema>[] = [
    { value: { case: 'dimParam', value: 'N' } },
    { value: { case: 'dimValue', value: 3n } },
  ];
  const shape = create(TensorShapeProtoSchema, { dim: dim.map((each) => create(DimensionSchema, each)) });
  const tensor = create(TypeProto_TensorSchema, { elemType: float, shape });
  return create(ValueInfoProtoSchema, { name, type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }) });
}

function sumModel(): Uint8Array {
  const model = fromBinary(ModelProtoSchema, readFileSync(modelPath('test_affine')));
  assert(model.graph);
  model.graph.node = [create(NodeProtoSchema, { opType: 'Add', input: ['a', 'b'], output: ['y'] })];
  model.graph.initializer = [];
  model.graph.input = ['a', 'b'].map(rows);
  model.graph.output = [rows('y')];
  return toBinary(ModelProtoSchema, model);
}

describe('a model that returns numbers', { skip: noBrowser }, () => {
  let made: Console;
  before(async () => {
    made = await Console.start();
    const { server } = made;
    await server.callWell('POST', '/groups/sum/versions?name=sum.onnx', sumModel());
    await server.callWell('POST', '/groups/sum/versions/1/approval', { approval: 'Approved' });
    await server.callWell('POST', '/endpoints', { name: 'sum', variants: [{ model: 'sum/1' }] });
    await server.inService('sum');
  });
  after(() => made?.end());

  for (const width of [390, 1200, 1400]) {
    test(`places the form next to or above the code, without overlap, at ${width} px`, async () => {
      const result = await made.open('/endpoints/sum/try?by=form', { width });
      const { page } = result;
      const inputs = page.getByRole('region', { name: 'One row' });
      await inputs.waitFor();
      const [form, code, title] = await Promise.all(
        [inputs, page.locator('.card', { has: page.locator('pre') }), page.locator('h1')].map((each) => each.boundingBox()),
      );
      assert(form && code && title);
      assert(form.x + form.width <= code.x || form.y + form.height <= code.y, JSON.stringify({ form, code }));
      assert.equal(form.x, title.x, 'the cards are aligned with the title');
      await result.assertNoSidewaysScroll();
      await result.screenshot(`try-values-form-${width}`);
      result.assertQuiet();
    });
  }

  test('shows the numbers of a row of the form', async () => {
    const result = await made.open('/endpoints/sum/try?by=form');
    const { page } = result;
    await page.getByLabel('0').first().fill('6');
    await page.getByRole('button', { name: 'Send row' }).click();
    await page.locator('.answered').getByText('[6, 0, 0]').waitFor();
    result.assertQuiet();
  });

  for (const scheme of ['light', 'dark'] as const) {
    test(`shows the numbers of each row of a file, and no class, ${scheme}`, async () => {
      const result = await made.open('/endpoints/sum/try?by=csv', { scheme });
      const { page } = result;
      const csv = 'a0,a1,a2,b0,b1,b2\n1,2,3,5,5,6\n0,0,1,1,0,0\n';
      await page.locator('input[type=file]').setInputFiles({ name: 'rows.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
      await page.getByRole('button', { name: 'Send 2 rows' }).click();
      await page.getByRole('cell', { name: '[6, 7, 9]' }).waitFor();
      await page.getByText(/^2 receipts: run time only/).waitFor();
      assert.equal(await page.getByText(/\d classes/).count(), 0);
      assert.equal(await page.getByRole('columnheader', { name: /Probability/ }).count(), 0);
      await result.assertAccessible();
      await result.screenshot(`try-values-csv-${scheme}`);
      result.assertQuiet();
    });
  }

  test('uses the singular for one receipt', async () => {
    const result = await made.open('/endpoints/sum/try?by=csv');
    const csv = 'a0,a1,a2,b0,b1,b2\n1,2,3,5,5,6\n';
    await result.page.locator('input[type=file]').setInputFiles({ name: 'row.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await result.page.getByRole('button', { name: 'Send 1 row' }).click();
    await result.page.getByText(/^1 receipt: run time only/).waitFor();
    result.assertQuiet();
  });
});
