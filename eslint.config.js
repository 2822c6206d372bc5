import nodePlugin from 'eslint-plugin-n';
import tseslint from 'typescript-eslint';

/** What each layer may not import: arrows point cli -> run, catalog, ui -> plan -> spec (docs/architecture.md). */
const layering = [
  {files: ['src/spec/**'], deny: ['cli', 'plan', 'run', 'stages', 'sandbox', 'ui', 'catalog']},
  {files: ['src/plan/**'], deny: ['cli', 'run', 'stages', 'sandbox', 'ui', 'catalog']},
  {files: ['src/sandbox/**'], deny: ['cli', 'plan', 'run', 'stages', 'spec', 'ui', 'catalog']},
  {files: ['src/stages/**'], deny: ['cli', 'ui', 'catalog']},
  {files: ['src/ui/**'], deny: ['cli', 'stages', 'sandbox', 'catalog']},
];

export default tseslint.config(
  {ignores: ['dist/', 'node_modules/', 'eslint.config.js', 'scripts/', 'test/fixtures/', 'docs/']},
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
    plugins: {n: nodePlugin},
    rules: {
      'n/no-unsupported-features/node-builtins': ['error', {ignores: ['fs.promises.cp', 'fetch']}],
      'n/no-unsupported-features/es-builtins': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true}],
      '@typescript-eslint/no-confusing-void-expression': 'off',
    },
  },
  ...layering.map(({files, deny}) => ({
    files,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: deny.map((layer) => ({
            group: [`**/src/${layer}/*`, `../${layer}/*`, `../../${layer}/*`],
          })),
        },
      ],
    },
  })),
  {files: ['test/**'], rules: {'@typescript-eslint/no-non-null-assertion': 'off'}},
);
