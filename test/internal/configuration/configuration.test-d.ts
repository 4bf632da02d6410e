import { expectTypeOf, it } from "vitest"
import type { OptionFields, ProviderFields, RouteFields } from "../../../src/internal/configuration/json.ts"
import type { BackendFields, ModelFields } from "../../../src/internal/configuration/schema.ts"

it("writes every field that a configuration can have", () => {
  expectTypeOf<Exclude<BackendFields["provider"], ProviderFields>>().toEqualTypeOf<never>()
  expectTypeOf<Exclude<BackendFields["balance"], RouteFields>>().toEqualTypeOf<never>()
  expectTypeOf<Exclude<ModelFields, OptionFields | "backend">>().toEqualTypeOf<never>()
})
