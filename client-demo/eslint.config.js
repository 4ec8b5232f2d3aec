// What the linter checks in the pages, the SDK and the tests written in JavaScript. The formatter decides on spaces.

import js from '@eslint/js'
import globals from 'globals'

export default [
  { ignores: ['**/node_modules/', 'client-demo/types/emitted/', 'target/'] },
  js.configs.recommended,
  {
    languageOptions: {
      ecmaVersion: 2024,
      sourceType: 'module',
      globals: { ...globals.browser, ...globals.node, Microsoft: 'readonly', NotificationEvent: 'readonly' },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'max-len': ['error', { code: 120 }],
      'no-empty': ['error', { allowEmptyCatch: true }],
      'no-implicit-coercion': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'TemplateLiteral TemplateLiteral', message: 'Give the inner template literal a name of its own.' },
        {
          selector: 'ConditionalExpression ConditionalExpression > ConditionalExpression',
          message: 'Use if and else.',
        },
      ],
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      // A reporter of node --test is a generator that may have nothing to print.
      'require-yield': 'off',
      'no-control-regex': 'off',
      'no-unused-private-class-members': 'off',
    },
  },
  { files: ['client-demo/demo/desk-worker.js'], languageOptions: { globals: globals.serviceworker } },
]
