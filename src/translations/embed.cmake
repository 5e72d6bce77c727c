# SPDX-License-Identifier: 0BSD
# NAME.qm as an array in NAME.h. Not a Qt resource: in a static library those need the program's help.
file(READ ${NAME}.qm bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${NAME}.h "static const unsigned char ${NAME}[] = {\n${bytes}};\n")
