import { type Application, type Context, Converter, LiteralType, ReflectionKind, UnionType } from 'typedoc'
import ts from 'typescript'

/**
 * Shows the names of a union that is declared by the table of its names, `keyof typeof accessFlags.byName`: the table is
 * not public, and a reader looks for the names.
 */
export function spellOutUnions(app: Application): void {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context: Context) => {
    for (const reflection of context.project.getReflectionsByKind(ReflectionKind.TypeAlias)) {
      const declaration = context.getSymbolFromReflection(reflection)?.declarations?.find(ts.isTypeAliasDeclaration)
      if (declaration === undefined || !reflection.isDeclaration()) continue
      const written = ts.isUnionTypeNode(declaration.type) ? declaration.type.types : [declaration.type]
      const shown = reflection.type instanceof UnionType ? reflection.type.types : [reflection.type]
      if (!written.some(isOfTable) || written.length !== shown.length) continue
      const members = written.flatMap((node, index) => {
        const names = isOfTable(node) ? namesOf(context, node) : []
        return names.length > 0 ? names.map((name) => new LiteralType(name)) : (shown[index] ?? [])
      })
      reflection.type = new UnionType(members)
    }
  })
}

/** `keyof typeof table`, or `(typeof table)[number]` */
function isOfTable(node: ts.TypeNode): boolean {
  return ts.isTypeOperatorNode(node) || ts.isIndexedAccessTypeNode(node)
}

/** The names of a union of texts; none for another type. */
function namesOf({ programs }: Context, node: ts.TypeNode): string[] {
  for (const program of programs) {
    if (program.getSourceFile(node.getSourceFile().fileName) !== node.getSourceFile()) continue
    const type = program.getTypeChecker().getTypeFromTypeNode(node)
    if (type.isUnion()) return type.types.flatMap((member) => (member.isStringLiteral() ? [member.value] : []))
  }
  return []
}
