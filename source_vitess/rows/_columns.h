/* What rows/_columns.c gives to the module. */

#ifndef SOURCE_VITESS_COLUMNS_H
#define SOURCE_VITESS_COLUMNS_H

#include "_bytes.h"

extern PyMethodDef column_functions[];

#endif
