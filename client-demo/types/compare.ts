// Fails to compile where deskbell.d.ts and the source say different things: check.mjs first
// writes down what the source exports; here each public member of the one must be
// identical, not merely assignable, to that of the other, and there may be none on one side only.

import * as Source from './emitted/source.js'
import * as Declared from '../sdk/deskbell.js'

type Identical<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** The names of the public members that differ; protected and private ones are no keys. */
type Differing<S, D> = {
  [K in keyof S | keyof D]: K extends keyof S & keyof D ? (Identical<S[K], D[K]> extends true ? never : K) : K
}[keyof S | keyof D]

/** The parameters of `install`, where "or a provider" means each side's own class. */
type Install<F extends (url: any, options?: any) => any, P> = [
  Exclude<Parameters<F>[0], P>,
  P extends Parameters<F>[0] ? true : false,
  Parameters<F>[1],
]

type None<T extends never> = T

export type Checks = [
  None<Differing<Source.Provider, Declared.Provider>>,
  None<Differing<Source.Agent, Declared.Agent>>,
  None<Differing<ConstructorParameters<typeof Source.Provider>, ConstructorParameters<typeof Declared.Provider>>>,
  None<Differing<Source.Observer, Declared.Observer>>,
  None<Differing<ConstructorParameters<typeof Source.Observer>, ConstructorParameters<typeof Declared.Observer>>>,
  None<Differing<ConstructorParameters<typeof Source.Agent>, ConstructorParameters<typeof Declared.Agent>>>,
  None<Differing<Install<typeof Source.install, Source.Provider>, Install<typeof Declared.install, Declared.Provider>>>,
  None<Differing<Awaited<ReturnType<typeof Source.install>>, Awaited<ReturnType<typeof Declared.install>>>>,
  None<Exclude<keyof typeof Source, keyof typeof Declared> | Exclude<keyof typeof Declared, keyof typeof Source>>,
]
