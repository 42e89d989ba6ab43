/** Environments that can be created by their name alone. */

/** Packages by the name of the environment. Versions are resolved when it is built. */
export const recipes: Readonly<Record<string, readonly string[]>> = {
  sklearn: ['scikit-learn', 'pandas', 'skl2onnx', 'onnx', 'joblib'],
  pytorch: ['torch', 'onnx', 'numpy', 'pandas'],
  xgboost: ['xgboost', 'scikit-learn', 'onnxmltools'],
  python: [],
};

/** The packages of a recipe; null if there is none of this name. */
export function recipeOf(name: string): readonly string[] | null {
  const key = name.toLowerCase();
  return Object.hasOwn(recipes, key) ? (recipes[key] ?? null) : null;
}
